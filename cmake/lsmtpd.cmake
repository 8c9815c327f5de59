# SPDX-License-Identifier: Apache-2.0
# The helpers every CMakeLists.txt here uses.

# Level 3 checks sizes that are only known at run time; it needs GCC 12 or clang 15.
set(LSMTPD_FORTIFY 3)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  set(LSMTPD_FORTIFY 2)
endif()

# GCC 12 warns falsely about memcpy in the inlined code of std::string (GCC bug 105651) when it builds for Release.
set(LSMTPD_FALSE_WARNINGS)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(LSMTPD_FALSE_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

add_library(lsmtpd_flags INTERFACE)
target_compile_options(lsmtpd_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  ${LSMTPD_FALSE_WARNINGS}
  $<$<BOOL:${LSMTPD_WERROR}>:-Werror>
  -fstack-protector-strong)
if(LSMTPD_SANITIZE)
  target_compile_options(lsmtpd_flags INTERFACE -fsanitize=${LSMTPD_SANITIZE} -fno-omit-frame-pointer
                                                -D_GLIBCXX_ASSERTIONS)
  target_link_options(lsmtpd_flags INTERFACE -fsanitize=${LSMTPD_SANITIZE})
else()
  # docs/reliability.md lists these under hardening; tests/integration/test_hardening.py checks the built files.
  target_compile_options(lsmtpd_flags INTERFACE -fstack-clash-protection
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=full>
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},aarch64>:-mbranch-protection=standard>
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=${LSMTPD_FORTIFY}>)
  target_link_options(lsmtpd_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# lsmtpd_choose_tests(VARIABLE): from LSMTPD_TESTS, whether the tests are built; says so where nobody decided.
function(lsmtpd_choose_tests variable)
  set(chosen "${LSMTPD_TESTS}")
  if(LSMTPD_TESTS STREQUAL "AUTO")
    set(chosen OFF)
    if(CMAKE_CROSSCOMPILING)
      message(STATUS "The tests are not built: they would not run here (-DLSMTPD_TESTS=ON builds them)")
    else()
      find_package(GTest QUIET)
      if(TARGET GTest::gmock)
        set(chosen ON)
        message(STATUS "The tests are built: GoogleTest was found (-DLSMTPD_TESTS=OFF leaves them out)")
      else()
        message(STATUS "The tests are not built: GoogleTest was not found (Debian: libgtest-dev, libgmock-dev)")
      endif()
    endif()
  endif()
  set(${variable} "${chosen}" PARENT_SCOPE)
endfunction()

# lsmtpd_layer(NAME SOURCES a.cpp b.cpp [DEPENDS layer...] [LIBRARIES target...])
# One folder of core/: a static library that links only the layers to its left (docs/architecture.md, Layers).
function(lsmtpd_layer name)
  cmake_parse_arguments(L "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(lsmtpd_${name} STATIC ${L_SOURCES})
  target_include_directories(lsmtpd_${name} PUBLIC ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(lsmtpd_${name} PRIVATE lsmtpd_flags)
  foreach(dep ${L_DEPENDS})
    target_link_libraries(lsmtpd_${name} PUBLIC lsmtpd_${dep})
  endforeach()
  target_link_libraries(lsmtpd_${name} PUBLIC ${L_LIBRARIES})
endfunction()

# lsmtpd_plugin(NAME SOURCES a.cpp [LIBRARIES target...])
# A plugin: build/plugins/NAME.so, public headers only, lsmtpd_entry its only symbol.
function(lsmtpd_plugin name)
  cmake_parse_arguments(P "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(${name} MODULE ${P_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE lsmtpd_flags ${P_LIBRARIES})
  target_link_options(${name} PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/plugin.map)
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/plugin.map)
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/lsmtpd)
endfunction()

# lsmtpd_test(NAME [THREADS] SOURCES a_test.cpp [LIBRARIES target...])
# A GoogleTest program. ctest runs each of its cases as NAME.Suite.Case, in a process of its own. THREADS: there is more
# than one in it, so that `contrib/dev test --sanitize` runs it under the thread sanitizer too.
function(lsmtpd_test name)
  cmake_parse_arguments(T "THREADS" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  list(TRANSFORM T_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set_property(GLOBAL APPEND PROPERTY LSMTPD_TEST_SOURCES ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support ${PROJECT_SOURCE_DIR}/include)
  # A test is compiled more often than it runs; in a Debug build it is stepped through.
  target_compile_options(${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1> $<$<NOT:$<CONFIG:Debug>>:-g1>)
  target_link_libraries(${name} PRIVATE lsmtpd_flags ${T_LIBRARIES} GTest::gmock GTest::gtest_main)
  set(labels unit)
  set(timeout 120)
  if(T_THREADS)
    set(labels unit threads)
    set(timeout 400)
  endif()
  # Asked for its cases when ctest starts, not when it is built: a program of the thread sanitizer starts under
  # `setarch -R` only, which is how contrib/dev runs ctest.
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
                       TEST_LIST ${name}_cases PROPERTIES TIMEOUT ${timeout})
  # Of a list of labels gtest_discover_tests() keeps the first one only.
  set(script ${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake)
  file(CONFIGURE OUTPUT ${script} @ONLY CONTENT
    "if(@name@_cases)\n  set_tests_properties(\${@name@_cases} PROPERTIES LABELS \"@labels@\")\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${script})
endfunction()
