// SPDX-License-Identifier: Apache-2.0
// The copies of a split message are planned with memory that is reserved before.
#include "counted_new.hpp"
#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

TEST(Split, WithoutItsMemoryNoCopyIsPlanned) {
  if (!lsmtpd::test::kAllocationsAreCounted)
    GTEST_SKIP() << "the sanitizer has its own operator new";
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.option("split", "recipient").attach(peer);
  std::string recipients;
  for (int i = 0; i < 1000; ++i) recipients += "r" + std::to_string(i) + "@example.org ";
  lsmtpd_test_mail* mail = rig.mail("x\r\n", recipients.c_str());
  lsmtpd_test_memory_limit(rig.raw(), rig.raw()->memory_used + 500'000);
  const std::size_t before = lsmtpd::test::allocated;
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_TEMPFAIL);
  EXPECT_LT(lsmtpd::test::allocated - before, 64'000u);
  lsmtpd_test_memory_limit(rig.raw(), -1);
}

}  // namespace
}  // namespace lsmtpd::amqp::test
