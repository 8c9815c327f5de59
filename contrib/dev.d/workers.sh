# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The libraries of contrib/examples/workers, in the cache folder, at the versions that the examples pin. Those of Python are
# Debian's, among packages_test. A test whose library is missing is skipped and says so.

# library_folder NAME LOCK COMMAND...: runs COMMAND in a new folder that has LOCK; it becomes the cache's NAME. Nothing is
# done where that was made with the same LOCK.
library_folder() {
  local tree=$cache/$1 lock=$root/contrib/examples/workers/$2 work
  shift 2
  ! cmp -s "$lock" "$tree/$(basename "$lock")" || return 0
  say "getting the libraries of contrib/examples/workers into $tree"
  mkdir -p "$cache"
  work=$(mktemp -d "$tree.XXXXXX")
  cp "$lock" "$work"
  if (cd "$work" && "$@") </dev/null >"$tree.log" 2>&1; then
    rm -rf "$tree"
    mv "$work" "$tree"
  fi
  rm -rf "$work"
  cmp -s "$lock" "$tree/$(basename "$lock")" || { tail -n 5 "$tree.log" >&2 && return 1; }
}

node_libraries() {
  cp "$root/contrib/examples/workers/package.json" . && npm ci --no-audit --no-fund --loglevel=error
}

java_libraries() {
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies "-DoutputDirectory=$PWD/lib"
}

# GOFLAGS: files that rm can remove.
go_libraries() {
  cp "$root/contrib/examples/workers/go/go.mod" . && GOFLAGS=-modcacherw GOMODCACHE=$PWD/modules go mod download
}

# get_worker_libraries [all]: those of the usual tests, as far as their programs are there; or all.
get_worker_libraries() {
  if [ "${1:-}" = all ]; then
    command -v npm >/dev/null || ensure_packages nodejs npm
    command -v javac >/dev/null || ensure_packages "$(by_release openjdk-17-jdk-headless openjdk-21-jdk-headless)"
    library_folder workers-java java/pom.xml java_libraries || say "without Qpid JMS: its worker is not tested"
    if command -v go >/dev/null; then # Debian 12's is too old for these modules
      library_folder workers-go go/go.sum go_libraries || say "without Go's modules: their workers are not tested"
    fi
  fi
  if command -v npm >/dev/null; then
    library_folder workers-node package-lock.json node_libraries || say "without amqplib and rhea: their workers are not tested"
  fi
}
