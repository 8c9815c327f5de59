# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Builds with other compilers, of other kinds, for other machines. Each has a folder of its own.

# configure_kind COMPILER KIND [-DNAME=VALUE...]: gcc or clang; Debug, RelWithDebInfo or Release.
configure_kind() {
  local compiler=$1 kind=$2 cxx=g++
  shift 2
  [ "$compiler" = gcc ] || cxx=clang++
  configure "build-$compiler-${kind,,}" "-DCMAKE_C_COMPILER=/usr/bin/$compiler" "-DCMAKE_CXX_COMPILER=/usr/bin/$cxx" \
    "-DCMAKE_BUILD_TYPE=$kind" "$@"
}

# Warnings are errors in all of them. CI builds daemon and plugins once more, with the other compiler and as a release:
# `contrib/dev test` has gcc in RelWithDebInfo already, with the tests. --all: every kind, with the unit tests;
# COMPILER KIND: one of them.
cmd_compilers() {
  local compiler kind
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" clang
  if [ "${1:-}" = --all ]; then
    for compiler in gcc clang; do
      for kind in Debug RelWithDebInfo Release; do test_kind "$compiler" "$kind"; done
    done
    return
  elif [ $# -gt 0 ]; then
    test_kind "$1" "${2:?compilers: $1 in Debug, RelWithDebInfo or Release?}"
    return
  fi
  configure_kind clang Release -DLSMTPD_TESTS=OFF
  build build-clang-release
}

test_kind() {
  configure_kind "$1" "$2" -DLSMTPD_TESTS=ON
  build "build-$1-${2,,}"
  run_ctest "build-$1-${2,,}" -L unit >"build-$1-${2,,}/ctest.log" || {
    cat "build-$1-${2,,}/ctest.log"
    die "unit tests fail with $1 in $2"
  }
  grep 'tests passed' "build-$1-${2,,}/ctest.log"
}

# For arm64, with Debian's cross compiler and its libraries of that architecture. Linked, and looked at; not run.
cmd_cross() {
  local arch=arm64 triplet=aarch64-linux-gnu name file
  dpkg --print-foreign-architectures | grep -qxF "$arch" || die "dpkg does not know $arch here. In a folder of its own:
  contrib/container/bare sh -c 'sudo dpkg --add-architecture $arch && contrib/dev cross'"
  say "installing what a build for $arch needs"
  apt update
  local -a names=("g++-$triplet")
  for name in "${packages_build[@]}"; do
    # Headers alone are for all architectures, and have no name of this one.
    if [[ $name == lib* ]] && apt-cache show "$name:$arch" >/dev/null 2>&1; then
      names+=("$name:$arch")
    elif [ "$name" != g++ ]; then
      names+=("$name")
    fi
  done
  without_services install_packages "${names[@]}"
  configure "build-$arch" -DLSMTPD_TESTS=OFF "-DCMAKE_TOOLCHAIN_FILE=$root/cmake/toolchains/$triplet.cmake"
  build "build-$arch"
  for file in "build-$arch"/lsmtpd "build-$arch"/plugins/*.so; do
    "$triplet-readelf" -h "$file" | grep -q 'Machine: *AArch64' || die "$file is not for $arch"
  done
  say "build-$arch has the daemon and $(find "build-$arch/plugins" -name '*.so' | wc -l) plugins for $arch"
}
