// SPDX-License-Identifier: Apache-2.0
// The copies of a split message are planned with memory that is reserved before.
#include <cstdlib>
#include <new>

#include "rig.hpp"

namespace {
thread_local std::size_t allocated = 0;  // by C++ code of this thread, what is freed too
}

[[gnu::noinline]] void* operator new(std::size_t size) {
  allocated += size;
  if (void* at = std::malloc(size != 0 ? size : 1)) return at;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* at) noexcept {
  std::free(at);
}
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}

namespace lsmtpd::amqp::test {
namespace {

TEST(Split, WithoutItsMemoryNoCopyIsPlanned) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.option("split", "recipient").attach(peer);
  std::string recipients;
  for (int i = 0; i < 1000; ++i) recipients += "r" + std::to_string(i) + "@example.org ";
  lsmtpd_test_mail* mail = rig.mail("x\r\n", recipients.c_str());
  lsmtpd_test_memory_limit(rig.raw(), rig.raw()->memory_used + 500'000);
  const std::size_t before = allocated;
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_TEMPFAIL);
  EXPECT_LT(allocated - before, 64'000u);
  lsmtpd_test_memory_limit(rig.raw(), -1);
}

}  // namespace
}  // namespace lsmtpd::amqp::test
