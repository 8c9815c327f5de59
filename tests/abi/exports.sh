#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# exports.sh DIRECTORY: every plugin there exports lsmtpd_entry and nothing else.
set -eu
checked=0 failed=0
for plugin in "$1"/*.so; do
  [ -e "$plugin" ] || continue
  symbols=$(nm -D --defined-only "$plugin" | awk '{ print $NF }')
  if [ "$symbols" != lsmtpd_entry ]; then
    echo "$plugin exports: $symbols"
    failed=1
  fi
  checked=$((checked + 1))
done
echo "$checked plugins checked"
[ "$checked" -gt 0 ] && [ "$failed" -eq 0 ]
