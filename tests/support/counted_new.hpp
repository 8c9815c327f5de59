// SPDX-License-Identifier: Apache-2.0
// Counts the octets that C++ code of this thread allocates, also those that are freed again. It
// replaces operator new, so one file of a test program includes it.
//
// Not with the address sanitizer, which checks that new and delete are both its own: there
// `kAllocationsAreCounted` is false, and a test that needs the count is skipped.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace lsmtpd::test {

inline thread_local std::size_t allocated = 0;

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kAllocationsAreCounted = false;
#else
inline constexpr bool kAllocationsAreCounted = true;
#endif

}  // namespace lsmtpd::test

#ifndef __SANITIZE_ADDRESS__
// noinline: GCC at -O2 takes an inlined malloc() and a delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  lsmtpd::test::allocated += size;
  if (void* at = std::malloc(size != 0 ? size : 1)) return at;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* at) noexcept {
  std::free(at);
}
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}
#endif
