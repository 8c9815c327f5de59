# shellcheck shell=bash
# A Debian package of this checkout: build-package/lsmtpd_VERSION_ARCH.deb.

cmd_package() {
  local tree=$root/build-package/tree version architecture depends
  ensure_packages "${packages_build[@]}" dpkg-dev
  configure build-package -DLSMTPD_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr
  build build-package
  rm -rf "$tree"
  DESTDIR=$tree cmake --install build-package --strip >/dev/null
  version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' build-package/CMakeCache.txt)
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

# What stands beside what `cmake --install` put there: the configuration, the licence.
package_files() {
  install -d "$1/etc/lsmtpd" "$1/usr/share/doc/lsmtpd"
  sed 's#directory = "spool"#directory = "/var/spool/lsmtpd"#' etc/lsmtpd.toml >"$1/etc/lsmtpd/lsmtpd.toml"
  install -m 644 LICENSE "$1/usr/share/doc/lsmtpd/copyright"
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
