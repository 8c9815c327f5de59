# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The message brokers of the integration tests. This only gets them, into the cache folder;
# tests/integration/support/brokers.py starts and ends them.

artemis_version=2.31.2
broker_j_version=9.2.0
# Only `test brokers` has these. 5.18.3 is the newest Classic whose release is in Maven's repository as a whole.
artemis_new_version=2.56.0
classic_version=5.18.3

# maven_tarball GROUP:ARTIFACT:VERSION FOLDER DEPTH: unpacks the binary release into the cache as
# FOLDER, without the first DEPTH folders of its paths.
maven_tarball() {
  local work
  [ ! -d "$cache/$2" ] || return 0
  say "getting $1"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/$2.XXXXXX")
  if mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    "-Dartifact=$1:tar.gz:bin" "-DoutputDirectory=$work" </dev/null &&
    mkdir "$work/tree" &&
    tar -xzf "$work"/*.tar.gz -C "$work/tree" "--strip-components=$3"; then
    mv "$work/tree" "$cache/$2"
  fi
  rm -rf "$work"
  [ -d "$cache/$2" ]
}

# RabbitMQ 4 is in Debian 13: a small system of its own, since its Erlang is newer than ours.
get_rabbitmq4() {
  local tree=$cache/rabbitmq4
  [ ! -d "$tree" ] || return 0
  say "getting RabbitMQ 4 from Debian 13"
  mkdir -p "$cache"
  as_root rm -rf "$tree.part"
  as_root debootstrap --variant=minbase trixie "$tree.part" >"$cache/rabbitmq4.log" 2>&1 || {
    tail -n 20 "$cache/rabbitmq4.log" >&2
    return 1
  }
  # The mounts live in a namespace of their own and are gone with the command.
  # shellcheck disable=SC2016
  as_root unshare --mount --propagation private sh -ec '
    mount --bind /proc "$1/proc"
    mount --bind /dev "$1/dev"
    printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    DEBIAN_FRONTEND=noninteractive chroot "$1" \
      apt-get install -y -q --no-install-recommends rabbitmq-server' sh "$tree.part" \
    </dev/null >>"$cache/rabbitmq4.log" 2>&1 || {
    tail -n 20 "$cache/rabbitmq4.log" >&2
    return 1
  }
  as_root mv "$tree.part" "$tree"
}

# get_brokers [all]. The two RabbitMQ are unpacked, not installed: their packages bring a service that starts at boot.
get_brokers() {
  local failed=
  ensure_packages "${packages_brokers[@]}" || return 1
  maven_tarball "org.apache.activemq:apache-artemis:$artemis_version" "artemis-$artemis_version" 1 || failed=1
  maven_tarball "org.apache.qpid:apache-qpid-broker-j:$broker_j_version" "broker-j-$broker_j_version" 2 || failed=1
  (unpack_package rabbitmq-server "$cache/rabbitmq3") || failed=1
  get_rabbitmq4 || failed=1
  if [ "${1:-}" = all ]; then
    maven_tarball "org.apache.artemis:apache-artemis:$artemis_new_version" "artemis-$artemis_new_version" 1 || failed=1
    maven_tarball "org.apache.activemq:apache-activemq:$classic_version" "activemq-$classic_version" 1 || failed=1
  fi
  [ -z "$failed" ]
}

cmd_brokers() {
  case "${1:-get}" in
    get) get_brokers "${2:-}" && say "the brokers are in $cache" ;;
    *) die "brokers: unknown command '$1'" ;;
  esac
}
