# SPDX-License-Identifier: Apache-2.0
"""The physical limit: tests/bench/bare_responder.cpp."""
from support.daemon import BUILD

from .base import Server, program


class BareResponder(Server):
    name = "bare"
    what = "libuv responder, stores nothing"
    loops = 1

    def argv(self):
        return [program(BUILD / "tests/bare_responder", "not built"), self.port, self.loops]


class TwoLoops(BareResponder):
    name = "bare-2"
    what = "two loops"
    loops = 2
