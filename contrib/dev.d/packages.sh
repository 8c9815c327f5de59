# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian packages: those of each command, and their installation without starting a service.

# Some names have their version in them: by_release NAME_IN_DEBIAN_12 NAME_IN_DEBIAN_13. A newer Debian gets the names of 13.
debian_release=$(sed -n 's/^VERSION_ID="\{0,1\}\([0-9]*\).*/\1/p' /etc/os-release)
by_release() {
  if [ "$debian_release" = 12 ]; then echo "$1"; else echo "$2"; fi
}

packages_build=(
  g++ cmake ninja-build pkg-config ccache
  libuv1-dev libqpid-proton-cpp12-dev libcjson-dev libtomlplusplus-dev libspdlog-dev libfmt-dev
  libexpected-dev libcli11-dev libssl-dev libidn2-dev libboost-dev
  rustc bindgen libclang1 # the example filter in Rust; Debian 12's bindgen loads libclang without depending on it
  libc-ares-dev libcurl4-openssl-dev libisal-dev libnats-dev librdkafka-dev
)
packages_run=(swaks python3) # the tour in README.md sends with one of them
packages_lint=(clang-format shellcheck git python3)
packages_tidy=(clang-tidy)
# llvm: its symbolizer gives the leak sanitizer the names of functions, which suppressions go by.
packages_fuzz=(clang llvm "$(by_release libclang-rt-14-dev libclang-rt-19-dev)")
packages_test=(
  libgtest-dev libgmock-dev clang-format git dpkg-dev
  python3 python3-pytest python3-qpid-proton python3-pika python3-confluent-kafka python3-prometheus-client python3-yaml
  "$(by_release libpython3.11-testsuite libpython3.13-testsuite)"
  swaks libnet-ssleay-perl sslscan msmtp curl rbldnsd strace openssl man-db
  nats-server
  haproxy nginx libnginx-mod-stream libnginx-mod-mail stunnel4 # proxies in front
  libfaketime iproute2 xfsprogs e2fsprogs mount # faults
  # Libraries of Debian's policy services for Postfix, which are unpacked only (get_policy_services):
  libnet-server-perl libnetaddr-ip-perl libberkeleydb-perl libnet-dns-perl python3-spf python3-authres
  # Libraries of Postfix and Exim, which are unpacked only:
  "$(by_release libdb5.3 libdb5.3t64)" "$(by_release libicu72 libicu76)" libnsl2
  "$(by_release libgnutls-dane0 libgnutls-dane0t64)" libidn12 libpcre2-8-0
)
packages_ci=(chromium) # elsewhere the test of the admin page is skipped without it
packages_bench=(libbenchmark-dev liburing-dev librabbitmq-dev python3-matplotlib valgrind)
packages_brokers=(
  "$(by_release openjdk-17-jre-headless openjdk-21-jre-headless)" maven debootstrap util-linux socat
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

# Quiet on success: the output of apt is shown when it fails.
apt() {
  local log status=0
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" </dev/null >"$log" 2>&1 || status=$?
  [ "$status" = 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

policy=${LSMTPD_POLICY_RC_D:-/usr/sbin/policy-rc.d} # another path for the test of the lock
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

# without_services COMMAND...: runs it while no service may be started. One at a time on this machine, for all
# checkouts and users: a second one would put back a policy that the first still needs, or take the first one's for the
# machine's own. The lock is the folder's, which every user can open, and is gone with the process that holds it.
without_services() {
  (
    exec 9<"$(dirname "$policy")"
    flock --nonblock 9 || {
      say "waiting for another contrib/dev that installs packages"
      flock 9
    }
    trap allow_services EXIT
    trap 'exit 130' INT TERM
    forbid_services
    "$@" 9<&-
  )
}

install_packages() { apt update && apt install -y --no-install-recommends "$@"; }

# ensure_packages NAME...: installs missing packages; does not call apt if none is.
ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  without_services install_packages "${missing[@]}"
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

# postgrey, postfwd and policyd-spf, which filter_policy is tested with; a test is skipped where one is missing.
get_policy_services() {
  local name
  for name in postgrey postfwd postfix-policyd-spf-python python3-spf-engine; do
    (unpack_package "$name" "$cache/policy/$name") || {
      [ -z "${CI:-}" ] || die "$name is needed in CI"
      say "without $name"
    }
  done
}

# packages [--list] [GROUP...]: installs the groups, or prints their names, a line each.
cmd_packages() {
  local list='' group
  local -a names=()
  if [ "${1:-}" = --list ]; then
    list=1
    shift
  fi
  for group in "${@:-build}"; do
    case "$group" in
      build) names+=("${packages_build[@]}") ;;
      lint) names+=("${packages_lint[@]}" "${packages_tidy[@]}") ;;
      fuzz) names+=("${packages_fuzz[@]}") ;;
      test) names+=("${packages_build[@]}" "${packages_test[@]}") ;;
      brokers) names+=("${packages_brokers[@]}") ;;
      *) die "packages: no group '$group'; there are build, lint, fuzz, test, brokers" ;;
    esac
  done
  if [ -n "$list" ]; then
    printf '%s\n' "${names[@]}" | sort -u
  else
    ensure_packages "${names[@]}"
  fi
}
