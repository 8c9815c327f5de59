# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the black-box tests: processes, SMTP and AMQP clients, brokers, the daemon."""
