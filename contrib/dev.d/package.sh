# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian packages of a commit, from contrib/packaging/debian.

# The version of CMake's project() where this commit has its tag vVERSION. Until then VERSION~dev+DATE, older for dpkg
# than VERSION and newer than the days before; DATE is the commit's, in UTC, so that a commit always gives the same.
package_version() {
  local version
  version=$(sed -n 's/^project(lsmtpd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
  if [ "$(this_git describe --tags --exact-match --match "v$version" 2>/dev/null)" = "v$version" ]; then
    echo "$version"
  else
    echo "$version~dev+$(TZ=UTC this_git log -1 --date=format-local:%Y%m%d.%H%M --format=%cd)"
  fi
}

# Reads this checkout even if another user owns it, which git refuses by default.
this_git() { git -c "safe.directory=$root" "$@"; }

# package_source FOLDER: HEAD as a source tree for dpkg-buildpackage. Its changelog and NEWS have the version and the date
# of the commit, from which dpkg-buildpackage takes SOURCE_DATE_EPOCH.
package_source() {
  rm -rf "$1"
  mkdir -p "$1"
  this_git -c tar.umask=0022 archive HEAD | tar -x -C "$1"
  mv "$1/contrib/packaging/debian" "$1/debian"
  rmdir "$1/contrib/packaging"
  sed -i -e "1s/(.*)/($(package_version))/" \
    -e "0,/^ -- /s/^\( -- .*>  \).*/\1$(TZ=UTC this_git log -1 --date=rfc2822-local --format=%cd)/" \
    "$1/debian/changelog" "$1/debian/lsmtpd.NEWS"
}

# The build dependencies stand in debian/control only.
ensure_build_dependencies() {
  dpkg-checkbuilddeps "$1/debian/control" 2>/dev/null || {
    say "installing the build dependencies of debian/control"
    without_services install_build_dependencies "$1"
  }
}

install_build_dependencies() { apt update && (cd "$1" && apt build-dep -y --no-install-recommends ./); }

# test packages [OPTION...]: builds, installs, upgrades and purges them in folders with Debian 12 and 13; options are
# pytest's. Without root each test is skipped and says so.
test_packages() {
  ensure_packages debootstrap util-linux iproute2 git python3 python3-pytest python3-pika dpkg-dev
  (cd tests/packages && PYTHONDONTWRITEBYTECODE=1 LSMTPD_CACHE="$cache" /usr/bin/python3 -m pytest "$@")
}

# package: the packages of HEAD, source and binary, and a folder `source` beside them. --source FOLDER: only the source
# tree, there.
cmd_package() {
  local folder=$root/build-package
  if [ "${1:-}" = --source ]; then
    package_source "${2:?package --source needs a folder}"
    return
  fi
  ensure_packages dpkg-dev git ccache
  [ -z "$(this_git status --porcelain --untracked-files=no)" ] || say "changes that are not committed are left out"
  rm -f "$folder"/lsmtpd*
  package_source "$folder/source"
  ensure_build_dependencies "$folder/source"
  (
    cd "$folder/source"
    export PATH=/usr/lib/ccache:$PATH CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
    DEB_BUILD_OPTIONS="parallel=$(compile_jobs) ${DEB_BUILD_OPTIONS:-}"
    export DEB_BUILD_OPTIONS
    dpkg-buildpackage -us -uc >../package.log 2>&1 || {
      tail -n 60 ../package.log
      die "dpkg-buildpackage failed; $folder/package.log has all of it"
    }
  )
  say "in $folder: $(cd "$folder" && echo lsmtpd*.dsc lsmtpd*.deb)"
}
