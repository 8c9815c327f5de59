# SPDX-License-Identifier: Apache-2.0
# Run by `cmake --install` (cmake/install.cmake sets the variables): writes the files that name the prefix.
function(lsmtpd_under_prefix variable)
  if(NOT IS_ABSOLUTE "${${variable}}")
    set(${variable} "${CMAKE_INSTALL_PREFIX}/${${variable}}" PARENT_SCOPE)
  endif()
endfunction()
# With /usr as the prefix the configuration is in /etc, as everybody expects. Decided here, since the prefix of
# `cmake --install --prefix` may be another one than that of the build: then nothing is written outside it.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr" AND NOT IS_ABSOLUTE "${sysconfdir}")
  set(sysconfdir "/${sysconfdir}")
endif()
foreach(folder bindir libdir includedir sysconfdir)
  lsmtpd_under_prefix(${folder})
endforeach()
set(prefix "${CMAKE_INSTALL_PREFIX}")
configure_file("${source}/cmake/lsmtpd.pc.in" "${binary}/lsmtpd.pc" @ONLY)

file(READ "${source}/contrib/systemd/lsmtpd.service" unit)
string(REPLACE "/usr/bin/lsmtpd" "${bindir}/lsmtpd" unit "${unit}")
string(REPLACE "/etc/lsmtpd" "${sysconfdir}" unit "${unit}")
file(WRITE "${binary}/lsmtpd.service" "${unit}")

# Spools are the machine's, wherever the program is; the unit may write there and nowhere else.
set(configuration "$ENV{DESTDIR}${sysconfdir}/lsmtpd.toml")
if(NOT EXISTS "${configuration}")
  file(READ "${source}/etc/lsmtpd.toml" text)
  foreach(change "directory = \"spool\"|directory = \"/var/spool/lsmtpd\""
                 "# state_directory = \"\"            #|state_directory = \"/var/lib/lsmtpd\" #"
                 "# socket = \"\"                     #|socket = \"/run/lsmtpd/admin.sock\"     #")
    string(REGEX REPLACE "^(.*)[|](.*)$" "\\1;\\2" change "${change}")
    list(GET change 0 from)
    list(GET change 1 to)
    string(FIND "${text}" "${from}" place)
    if(place EQUAL -1)
      message(FATAL_ERROR "etc/lsmtpd.toml has no ${from}")
    endif()
    string(REPLACE "${from}" "${to}" text "${text}")
  endforeach()
  file(WRITE "${configuration}" "${text}")
  message(STATUS "Installing: ${configuration}")
endif()
