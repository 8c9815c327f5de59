# The helpers every CMakeLists.txt here uses.

# Level 3 checks sizes that are only known at run time; it needs GCC 12 or clang 15.
set(LSMTPD_FORTIFY 3)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  set(LSMTPD_FORTIFY 2)
endif()

add_library(lsmtpd_flags INTERFACE)
target_compile_options(lsmtpd_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<BOOL:${LSMTPD_WERROR}>:-Werror>
  -fstack-protector-strong)
if(LSMTPD_SANITIZE)
  target_compile_options(lsmtpd_flags INTERFACE -fsanitize=${LSMTPD_SANITIZE} -fno-omit-frame-pointer
                                                -D_GLIBCXX_ASSERTIONS)
  target_link_options(lsmtpd_flags INTERFACE -fsanitize=${LSMTPD_SANITIZE})
else()
  # What docs/reliability.md names under hardening; tests/integration/test_hardening.py looks at what was built.
  target_compile_options(lsmtpd_flags INTERFACE -fstack-clash-protection
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=full>
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},aarch64>:-mbranch-protection=standard>
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=${LSMTPD_FORTIFY}>)
  target_link_options(lsmtpd_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# lsmtpd_layer(NAME SOURCES a.cpp b.cpp [DEPENDS layer...] [LIBRARIES target...])
# One folder of core/: a static library that links only the layers to its left (design: layout).
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
# A GoogleTest program, run by ctest as NAME. THREADS: there is more than one in it, so that `contrib/dev test --sanitize`
# runs it under the thread sanitizer too.
function(lsmtpd_test name)
  cmake_parse_arguments(T "THREADS" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  list(TRANSFORM T_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set_property(GLOBAL APPEND PROPERTY LSMTPD_TEST_SOURCES ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support ${PROJECT_SOURCE_DIR}/include)
  # A test is compiled more often than it runs.
  target_compile_options(${name} PRIVATE -O1 -g1)
  target_link_libraries(${name} PRIVATE lsmtpd_flags ${T_LIBRARIES} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120)
  if(T_THREADS)
    set_tests_properties(${name} PROPERTIES LABELS "unit;threads" TIMEOUT 400)
  endif()
endfunction()
