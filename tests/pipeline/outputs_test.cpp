// SPDX-License-Identifier: Apache-2.0
// Outputs without a fallback: the reply table, several together, deadlines.
#include <gtest/gtest.h>

#include "chain_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using config::OnFailure;
using test::ChainHost;
using test::kQueued;
using test::Record;

class OutputsTest : public testing::Test {
 protected:
  void add(const char* name, test::Settings settings) {
    t_.output(t_.entry(name, "test_output", settings));
  }
  Record record_{"outputs"};
  ChainHost t_;
};

TEST_F(OutputsTest, TempfailIs451) {
  add("out", {{"verdict", "tempfail"}, {"text", ""}});
  t_.start();
  EXPECT_EQ(t_.reply(), "451 4.3.0 Message cannot be stored now, try again later");
  EXPECT_EQ(t_.outcome().detail, "out: test_output was told so");
}

TEST_F(OutputsTest, RefusedIs554OrWhatTheOutputSays) {
  add("out", {{"verdict", "reject"}, {"text", ""}});
  t_.start();
  EXPECT_EQ(t_.reply(), "554 5.7.1 Message refused");
}

TEST_F(OutputsTest, RefusedTakesTheOutputsOwnReply) {
  add("out", {{"verdict", "reject"},
              {"code", "552"},
              {"enhanced", "5.3.4"},
              {"text", "too large for the queue"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "552 5.3.4 too large for the queue");
}

TEST_F(OutputsTest, ThrowingOutputIsATempfail) {
  add("out", {{"verdict", "throws"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "451 4.3.0 Message cannot be stored now, try again later");
}

TEST_F(OutputsTest, SilenceIsATempfailAndALateStoreIsLogged) {
  add("out", {{"delay", "20ms"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), "451 4.3.0 Message cannot be stored now, try again later");
  EXPECT_TRUE(t_.run_until([&] { return t_.logged("late_outcome"); }));
  t_.outcome();
}

TEST_F(OutputsTest, OnTimeoutRejects) {
  auto entry = t_.entry("out", "test_output", {{"verdict", "never"}});
  entry.on_timeout = OnFailure::reject;
  t_.output(std::move(entry));
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), "554 5.7.1 Message refused");
}

TEST_F(OutputsTest, TheChainsDeadlineEndsThemAndALateStoreIsLoggedToo) {
  auto entry = t_.entry("out", "test_output", {{"delay", "20ms"}});
  entry.deadline = 60'000;
  t_.output(std::move(entry));
  t_.start();
  t_.advance(30'000);
  EXPECT_EQ(t_.outcome().detail, "out: timeouts.chain passed");
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_TRUE(t_.run_until([&] { return t_.logged("late_outcome"); }));
}

TEST_F(OutputsTest, SeveralStoreCopiesOfTheirOwn) {
  add("a", {{"record", record_.file()}});
  add("b", {{"record", record_.file()}});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(record_.count("deliver 11111111-2222-4333-8444-555555555555.a target= "), 1u);
  EXPECT_EQ(record_.count("deliver 11111111-2222-4333-8444-555555555555.b target= "), 1u);
}

TEST_F(OutputsTest, TempfailOutranksStored) {
  add("a", {});
  add("b", {{"verdict", "tempfail"}, {"text", "b is down"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "451 4.3.0 b is down");
  EXPECT_NE(t_.outcome().detail.find("stored all the same by a: memory "), std::string::npos)
      << t_.outcome().detail;
}

TEST_F(OutputsTest, RefusedOutranksTempfailAndStored) {
  add("a", {{"verdict", "tempfail"}});
  add("b", {});
  add("c", {{"verdict", "reject"}, {"code", "550"}, {"text", "c says no"}});
  add("d", {{"verdict", "reject"}, {"code", "551"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "550 5.7.1 c says no");
  EXPECT_EQ(t_.outcome().fate, Fate::rejected);
}

TEST_F(OutputsTest, TheSlowestDecidesWhenTheReplyGoesOut) {
  add("fast", {});
  add("slow", {{"delay", "10ms"}});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
}

TEST_F(OutputsTest, SilentOutputDoesNotDelayTheOthers) {
  add("a", {{"record", record_.file()}});
  add("silent", {{"verdict", "never"}});
  t_.start();
  EXPECT_TRUE(t_.run_until([&] { return record_.count("deliver") == 1; }));
  EXPECT_EQ(t_.outcomes, 0);
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
}

}  // namespace
}  // namespace lsmtpd::pipeline
