# SPDX-License-Identifier: Apache-2.0
# The files that `cmake --install` installs beside the plugins (each plugin installs itself): the daemon, its
# configuration and unit, and for plugins built out of tree the headers, the CMake package and lsmtpd.pc.
include(CMakePackageConfigHelpers)

file(READ ${PROJECT_SOURCE_DIR}/include/lsmtpd/abi.h abi)
string(REGEX MATCH "LSMTPD_ABI_MAJOR ([0-9]+)u" ignored "${abi}")
set(LSMTPD_ABI_VERSION ${CMAKE_MATCH_1})
string(REGEX MATCH "LSMTPD_ABI_MINOR ([0-9]+)u" ignored "${abi}")
string(APPEND LSMTPD_ABI_VERSION .${CMAKE_MATCH_1})

if(TARGET lsmtpd)
  install(TARGETS lsmtpd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/lsmtpd DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# The plugin guide, and the examples that it shows.
install(DIRECTORY contrib/examples/output_c contrib/examples/filter_rust
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES docs/plugin-guide.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The example is always renewed; a configuration that is there is the operator's.
install(FILES etc/lsmtpd.toml contrib/systemd/drop-in.conf contrib/systemd/lsmtpd.socket
              contrib/systemd/socket-activation.conf DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/man/lsmtpd.toml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES contrib/systemd/lsmtpd.sysusers DESTINATION lib/sysusers.d RENAME lsmtpd.conf)
install(FILES contrib/systemd/lsmtpd.tmpfiles DESTINATION lib/tmpfiles.d RENAME lsmtpd.conf)

install(FILES docs/man/lsmtpd.8 docs/man/lsmtpd-spool.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES contrib/completion/lsmtpd.bash
        DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions RENAME lsmtpd)

# The unit, the configuration and lsmtpd.pc name where things really went, `cmake --install --prefix` included.
install(CODE "
  set(source \"${PROJECT_SOURCE_DIR}\")
  set(binary \"${PROJECT_BINARY_DIR}/install\")
  set(bindir \"${CMAKE_INSTALL_BINDIR}\")
  set(libdir \"${CMAKE_INSTALL_LIBDIR}\")
  set(includedir \"${CMAKE_INSTALL_INCLUDEDIR}\")
  set(sysconfdir \"${CMAKE_INSTALL_SYSCONFDIR}/lsmtpd\")
  set(abi_version \"${LSMTPD_ABI_VERSION}\")
  set(version \"${PROJECT_VERSION}\")
  include(\"${PROJECT_SOURCE_DIR}/cmake/install-files.cmake\")")
install(FILES ${PROJECT_BINARY_DIR}/install/lsmtpd.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_BINARY_DIR}/install/lsmtpd.service DESTINATION lib/systemd/system)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/lsmtpd)
set(LSMTPD_INCLUDE_DIR ${CMAKE_INSTALL_INCLUDEDIR})
set(LSMTPD_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/lsmtpd)
configure_package_config_file(cmake/lsmtpd-config.cmake.in ${PROJECT_BINARY_DIR}/install/lsmtpd-config.cmake
  INSTALL_DESTINATION ${package} PATH_VARS LSMTPD_INCLUDE_DIR LSMTPD_PLUGIN_DIR)
# Found by the version of the ABI, `find_package(lsmtpd 0.3)`: plugins do not care about the product's. A draft
# (0.x) fits only itself.
if(LSMTPD_ABI_VERSION MATCHES "^0[.]")
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/install/lsmtpd-config-version.cmake
  VERSION ${LSMTPD_ABI_VERSION} COMPATIBILITY ${compatibility})
install(FILES ${PROJECT_BINARY_DIR}/install/lsmtpd-config.cmake
              ${PROJECT_BINARY_DIR}/install/lsmtpd-config-version.cmake cmake/plugin.map
        DESTINATION ${package})
