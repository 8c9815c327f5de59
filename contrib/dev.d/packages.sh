# shellcheck shell=bash
# Debian packages: what each command needs, and how they are installed without starting a service.

packages_build=(
  g++ cmake ninja-build pkg-config ccache
  libuv1-dev libqpid-proton-cpp12-dev libcjson-dev libtomlplusplus-dev libspdlog-dev libfmt-dev
  libexpected-dev libcli11-dev libssl-dev
  rustc bindgen # the example filter in Rust
)
packages_lint=(clang-format clang-tidy shellcheck git python3)
packages_test=(
  libgtest-dev libgmock-dev libcurl4-openssl-dev clang-format git
  python3 python3-pytest python3-qpid-proton python3-pika libpython3.11-testsuite
  swaks msmtp curl strace openssl
  libfaketime iproute2 xfsprogs e2fsprogs mount # faults
  libdb5.3 libicu72 libnsl2 # what smtp-source links
)
packages_bench=(libbenchmark-dev liburing-dev python3-matplotlib)
packages_brokers=(
  openjdk-17-jre-headless maven debootstrap util-linux socat
  erlang-base erlang-crypto erlang-eldap erlang-inets erlang-mnesia erlang-os-mon erlang-parsetools
  erlang-public-key erlang-runtime-tools erlang-ssl erlang-syntax-tools erlang-tools erlang-xmerl
)

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() {
  echo "contrib/dev: $*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root or sudo for: $*"
  fi
}

# Prints those of the named packages that are not installed.
missing_packages() {
  local have
  have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    sed -n 's/ installed$//p' || true)
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$have" "") || true
}

# Quiet while it works: what apt said is shown when it fails.
apt() {
  local log status=0
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" </dev/null >"$log" 2>&1 || status=$?
  [ "$status" = 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

policy=/usr/sbin/policy-rc.d
policy_mark='# put here by contrib/dev of lsmtpd while it installs packages'

# Maintainer scripts ask policy-rc.d before they start a service; 101 means no. A policy that the
# machine has already is kept beside it and put back.
forbid_services() {
  if [ -e "$policy" ] && ! grep -qF "$policy_mark" "$policy"; then
    as_root mv "$policy" "$policy.lsmtpd-saved"
  fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

allow_services() {
  as_root rm -f "$policy"
  if [ -e "$policy.lsmtpd-saved" ]; then as_root mv "$policy.lsmtpd-saved" "$policy"; fi
}

# ensure_packages NAME...: installs what is missing; no apt at all when nothing is.
ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  (
    trap allow_services EXIT
    trap 'exit 130' INT TERM
    forbid_services
    apt update && apt install -y --no-install-recommends "${missing[@]}"
  )
}

# unpack_package NAME DIR: the files of a Debian package without installing it, for programs whose
# package brings a service or replaces the machine's mail system.
unpack_package() {
  local work
  [ ! -d "$2" ] || return 0
  say "unpacking Debian's $1 into $2"
  mkdir -p "$(dirname "$2")"
  work=$(mktemp -d "$2.XXXXXX")
  if apt update && (cd "$work" && apt-get -q download "$1") >/dev/null 2>&1; then
    dpkg-deb -x "$work"/*.deb "$work/tree" && mv "$work/tree" "$2"
  fi
  rm -rf "$work"
  [ -d "$2" ] || die "could not get Debian's $1"
}

cmd_packages() {
  case "${1:-build}" in
    build) ensure_packages "${packages_build[@]}" ;;
    lint) ensure_packages "${packages_lint[@]}" ;;
    test) ensure_packages "${packages_build[@]}" "${packages_test[@]}" ;;
    brokers) ensure_packages "${packages_brokers[@]}" ;;
    *) die "packages: no group '$1'; there are build, lint, test, brokers" ;;
  esac
}
