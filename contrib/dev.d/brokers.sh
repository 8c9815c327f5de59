# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The message brokers of the integration tests. This only gets them, into the cache folder;
# tests/integration/support/brokers.py starts and ends them.

artemis_version=2.31.2
broker_j_version=9.2.0
kafka_version=4.1.1
kafka_log4j_version=2.24.3 # as that Kafka has it
# Only `test brokers` has these. 5.18.3 is the newest Classic whose release is in Maven's repository as a whole.
artemis_new_version=2.56.0
classic_version=5.18.3
versitygw_version=1.8.0 # a server of S3, for the bucket of claim_check
nats_version=2.15.3 # syncs each message, which Debian 12's cannot

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

# Kafka's libraries, which are a broker by themselves; its own archive is no artifact of a Maven repository.
get_kafka() {
  local work
  [ ! -d "$cache/kafka-$kafka_version" ] || return 0
  say "getting Kafka $kafka_version"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/kafka-$kafka_version.XXXXXX")
  cat >"$work/pom.xml" <<TEXT
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>kafka-of-the-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$kafka_version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>$kafka_log4j_version</version>
    </dependency>
  </dependencies>
</project>
TEXT
  if mvn -q -B -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    "-DoutputDirectory=$work/libs" -DincludeScope=runtime </dev/null >"$work/maven.log" 2>&1; then
    rm -f "$work/pom.xml" "$work/maven.log"
    mv "$work" "$cache/kafka-$kafka_version"
    return 0
  fi
  cat "$work/maven.log" >&2
  rm -rf "$work"
  return 1
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

# go_program NAME VERSION PACKAGE: into $cache/NAME-VERSION. It is built from Go's modules, which takes minutes.
go_program() {
  local home=$cache/$1-$2 work
  [ ! -d "$home" ] || return 0
  command -v go >/dev/null || { # Debian 12's is too old
    say "without Go: no $1, so its tests are skipped"
    return 0
  }
  say "building $1 $2"
  mkdir -p "$cache"
  work=$(mktemp -d "$home.XXXXXX")
  if GOBIN=$work/bin GOCACHE=$work/objects GOMODCACHE=$work/modules GOFLAGS=-modcacherw \
    go install "$3@v$2" </dev/null >"$work/go.log" 2>&1; then
    mv "$work/bin" "$home"
  else
    cat "$work/go.log" >&2
  fi
  rm -rf "$work"
  [ -d "$home" ]
}

get_nats() {
  go_program nats-server "$nats_version" github.com/nats-io/nats-server/v2
}

# get_brokers [all]. The two RabbitMQ are unpacked, not installed: their packages bring a service that starts at boot.
get_brokers() {
  local failed=
  ensure_packages "${packages_brokers[@]}" || return 1
  maven_tarball "org.apache.activemq:apache-artemis:$artemis_version" "artemis-$artemis_version" 1 || failed=1
  maven_tarball "org.apache.qpid:apache-qpid-broker-j:$broker_j_version" "broker-j-$broker_j_version" 2 || failed=1
  get_kafka || failed=1
  (unpack_package rabbitmq-server "$cache/rabbitmq3") || failed=1
  get_rabbitmq4 || failed=1
  if [ "${1:-}" = all ]; then
    maven_tarball "org.apache.artemis:apache-artemis:$artemis_new_version" "artemis-$artemis_new_version" 1 || failed=1
    maven_tarball "org.apache.activemq:apache-activemq:$classic_version" "activemq-$classic_version" 1 || failed=1
    go_program versitygw "$versitygw_version" github.com/versity/versitygw/cmd/versitygw || failed=1
    get_nats || failed=1
  fi
  [ -z "$failed" ]
}

cmd_brokers() {
  case "${1:-get}" in
    get) get_brokers "${2:-}" && say "the brokers are in $cache" ;;
    *) die "brokers: unknown command '$1'" ;;
  esac
}
