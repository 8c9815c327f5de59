// Session filters: what the client hears before there is a message.
#include "pipeline/checks.hpp"

#include <gtest/gtest.h>

#include "chain_host.hpp"
#include "lsmtpd/session.h"

namespace lsmtpd::pipeline {
namespace {

using config::OnFailure;
using test::ChainHost;
using test::on_loop;
using test::turn;

class ChecksTest : public testing::Test {
 protected:
  ~ChecksTest() override {
    on_loop(t_.loop, [&] { checks_.reset(); });
  }
  void add(config::Plugin entry) { t_.chain.sessions.push_back(&t_.lane(std::move(entry))); }
  void add(const char* name, test::Settings settings) {
    add(t_.entry(name, "session_filter", settings));
  }

  void start(uint32_t stage, uint64_t declared = 0) {
    result_.reset();
    times_ = 0;
    envelope_.helo = "bad.example";
    envelope_.reverse_path = "bad@example.org";
    envelope_.peer_address = "192.0.2.1";
    envelope_.recipients = {{"good@example.org", {}}, {"bad@example.com", {}}};
    on_loop(t_.loop, [&] {
      if (!checks_) checks_ = std::make_unique<Checks>(t_.chain, 7);
      auto now = checks_->run(stage, declared, envelope_, [this](Checks::Result later) {
        ++times_;
        result_ = std::move(later);
      });
      if (now) result_ = std::move(now);
    });
  }
  std::string reply() {
    EXPECT_TRUE(t_.run_until([&] { return result_.has_value(); }));
    turn(t_.loop, 5);
    EXPECT_LE(times_, 1);
    const auto& refusal = result_->refusal;
    return refusal ? std::to_string(refusal->code) + " " + refusal->enhanced + " " + refusal->text
                   : "go on";
  }
  std::string ask(uint32_t stage, uint64_t declared = 0) {
    start(stage, declared);
    return reply();
  }

  ChainHost t_;
  std::unique_ptr<Checks> checks_;
  message::Envelope envelope_;
  std::optional<Checks::Result> result_;
  int times_ = 0;
};

TEST_F(ChecksTest, NobodyToAskMeansGoOn) {
  EXPECT_EQ(ask(LSMTPD_STAGE_CONNECT), "go on");
}

TEST_F(ChecksTest, EachStageHasItsDefaultReply) {
  add("s", {{"peer", "192.0.2.1"},
            {"helo", "bad.example"},
            {"from", "bad@example.org"},
            {"rcpt", "bad@example.com"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_CONNECT), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(ask(LSMTPD_STAGE_MAIL), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(ask(LSMTPD_STAGE_RCPT), "550 5.7.1 refused by session_filter");
  EXPECT_EQ(result_->detail, "s");
}

TEST_F(ChecksTest, OnlyTheNewRecipientIsLookedAt) {
  add("s", {{"rcpt", "good@example.org"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_RCPT), "go on");
}

TEST_F(ChecksTest, TheDeclaredSizeIsKnownAtMail) {
  add("s", {{"declared", "1KiB"}, {"code", "552"}, {"enhanced", "5.3.4"}, {"text", "too large"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_MAIL, 1024), "go on");
  EXPECT_EQ(ask(LSMTPD_STAGE_MAIL, 1025), "552 5.3.4 too large");
}

TEST_F(ChecksTest, FiltersAreAskedOnlyAboutTheStagesTheyWant) {
  add("s", {{"helo", "bad.example"}, {"stages", "5"}});  // connect and MAIL
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "go on");
}

TEST_F(ChecksTest, TryLaterIs451) {
  add("s", {{"helo", "bad.example"}, {"verdict", "try_later"}, {"text", ""}});
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "451 4.7.1 Try again later");
}

TEST_F(ChecksTest, A421OfTheirOwnIsKept) {
  add("s",
      {{"helo", "bad.example"}, {"verdict", "try_later"}, {"code", "421"}, {"text", "go away"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "421 4.7.1 go away");
}

TEST_F(ChecksTest, DiscardAndExceptionsMeanTryLater) {
  add("s", {{"helo", "bad.example"}, {"verdict", "discard"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "451 4.7.1 Try again later");
  t_.chain.sessions.clear();
  add("t", {{"helo", "bad.example"}, {"verdict", "throws"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "451 4.7.1 Try again later");
}

TEST_F(ChecksTest, AnswersMayComeLater) {
  add("s", {{"from", "bad@example.org"}, {"delay", "2ms"}});
  start(LSMTPD_STAGE_MAIL);
  envelope_.reverse_path = "changed meanwhile";
  EXPECT_EQ(reply(), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(times_, 1);
}

TEST_F(ChecksTest, SeveralAreAskedInOrderAtOnceAndLater) {
  add("passes", {});
  auto patient =
      t_.entry("patient", "session_filter", {{"helo", "bad.example"}, {"verdict", "never"}});
  patient.on_timeout = OnFailure::proceed;
  add(std::move(patient));
  add("refuses", {{"helo", "bad.example"}, {"delay", "2ms"}, {"text", "the third"}});
  add("fourth", {{"helo", "bad.example"}, {"text", "the fourth"}});
  start(LSMTPD_STAGE_HELO);
  EXPECT_FALSE(result_);
  t_.advance(10'000);
  EXPECT_EQ(reply(), "554 5.7.1 the third");
}

TEST_F(ChecksTest, SilenceIsTempfailedByDefaultOrByPolicy) {
  add("s", {{"helo", "bad.example"}, {"verdict", "never"}});
  start(LSMTPD_STAGE_HELO);
  t_.advance(10'000);
  EXPECT_EQ(reply(), "451 4.7.1 Try again later");
  EXPECT_EQ(result_->detail, "s: its deadline passed");
  t_.chain.sessions.clear();
  auto strict =
      t_.entry("t", "session_filter", {{"rcpt", "bad@example.com"}, {"verdict", "never"}});
  strict.on_timeout = OnFailure::reject;
  add(std::move(strict));
  start(LSMTPD_STAGE_RCPT);
  t_.advance(10'000);
  EXPECT_EQ(reply(), "550 5.7.1 Message refused");
}

TEST_F(ChecksTest, AnAnswerInTimeStopsTheDeadline) {
  add("s", {{"helo", "bad.example"}, {"delay", "1ms"}});
  EXPECT_EQ(ask(LSMTPD_STAGE_HELO), "554 5.7.1 refused by session_filter");
  t_.advance(60'000);
  turn(t_.loop);
  EXPECT_EQ(times_, 1);
}

TEST_F(ChecksTest, DestroyedWhileACallIsOpenNobodyHearsOfIt) {
  add("s", {{"helo", "bad.example"}, {"delay", "2ms"}});
  start(LSMTPD_STAGE_HELO);
  on_loop(t_.loop, [&] { checks_.reset(); });
  turn(t_.loop, 30);
  t_.advance(60'000);
  EXPECT_EQ(times_, 0);
  EXPECT_FALSE(result_);
  EXPECT_TRUE(t_.logged("session closed"));
}

TEST_F(ChecksTest, MayBeDestroyedByWhoGetsTheResult) {
  add("s", {{"helo", "bad.example"}, {"delay", "1ms"}});
  add("silent", {{"from", "bad@example.org"}, {"verdict", "never"}});
  for (const uint32_t stage : {LSMTPD_STAGE_HELO, LSMTPD_STAGE_MAIL}) {
    int heard = 0;
    envelope_.helo = "bad.example";
    envelope_.reverse_path = "bad@example.org";
    on_loop(t_.loop, [&] {
      checks_ = std::make_unique<Checks>(t_.chain, 8);
      EXPECT_FALSE(checks_->run(stage, 0, envelope_, [&](const Checks::Result&) {
        checks_.reset();
        ++heard;
      }));
    });
    if (stage == LSMTPD_STAGE_MAIL) t_.advance(10'000);
    EXPECT_TRUE(t_.run_until([&] { return heard == 1; }));
  }
}

}  // namespace
}  // namespace lsmtpd::pipeline
