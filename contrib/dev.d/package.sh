# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A Debian package of this checkout: build-package/lsmtpd_VERSION_ARCH.deb.

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

cmd_package() {
  local tree=$root/build-package/tree version architecture depends
  ensure_packages "${packages_build[@]}" dpkg-dev git
  SOURCE_DATE_EPOCH=$(this_git log -1 --format=%ct) || die "a package needs the commit that it is made of"
  export SOURCE_DATE_EPOCH # dpkg-deb, and gcc's __DATE__
  version=$(package_version)
  configure build-package -DLSMTPD_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr "-DLSMTPD_WERROR=$(werror_for_users)"
  build build-package
  rm -rf "$tree"
  DESTDIR=$tree cmake --install build-package --strip >/dev/null
  architecture=$(dpkg --print-architecture)
  package_files "$tree"
  depends=$(library_packages "$tree")
  install -d "$tree/DEBIAN"
  sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@DEPENDS@/$depends/" \
    contrib/packaging/debian/control.in >"$tree/DEBIAN/control"
  install -m 755 contrib/packaging/debian/postinst contrib/packaging/debian/prerm "$tree/DEBIAN/"
  echo /etc/lsmtpd/lsmtpd.toml >"$tree/DEBIAN/conffiles"
  dpkg-deb --root-owner-group --build "$tree" "build-package/lsmtpd_${version}_$architecture.deb"
}

# Adds to the files of `cmake --install`: the configuration, the licence, manual pages as Debian has them.
package_files() {
  install -d "$1/etc/lsmtpd" "$1/usr/share/doc/lsmtpd"
  sed 's#directory = "spool"#directory = "/var/spool/lsmtpd"#' etc/lsmtpd.toml >"$1/etc/lsmtpd/lsmtpd.toml"
  install -m 644 LICENSE "$1/usr/share/doc/lsmtpd/copyright"
  gzip -9n "$1"/usr/share/man/man*/*
}

# The packages whose shared libraries the binaries need, with the versions that dpkg knows.
library_packages() {
  local work
  work=$(mktemp -d)
  mkdir "$work/debian"
  printf 'Source: lsmtpd\n\nPackage: lsmtpd\nArchitecture: any\n' >"$work/debian/control"
  (cd "$work" && find "$1/usr" -type f \( -name lsmtpd -o -name '*.so' \) \
    -exec dpkg-shlibdeps -O -xlsmtpd {} + 2>/dev/null) | sed 's/^shlibs:Depends=//'
  rm -rf "$work"
}
