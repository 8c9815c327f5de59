// SPDX-License-Identifier: Apache-2.0
// Session filters: the replies before there is a message.
#include "pipeline/session_filters.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "chain_host.hpp"
#include "message/shared_envelope.hpp"

namespace lsmtpd::pipeline {
namespace {

using config::OnFailure;
using message::Phase;
using test::ChainHost;
using test::on_loop;
using test::turn;

class SessionFiltersTest : public testing::Test {
 protected:
  ~SessionFiltersTest() override {
    on_loop(t_.loop, [&] { session_filters_.reset(); });
  }
  void add(config::Plugin entry) { t_.chain.session_filters.push_back(&t_.lane(std::move(entry))); }
  void add(const char* name, test::Settings settings) {
    add(t_.entry(name, "session_filter", settings));
  }

  // `then` is called in the same turn, before a filter can answer later.
  void start(
      Phase phase, uint64_t declared = 0, const std::function<void()>& then = [] {}) {
    result_.reset();
    times_ = 0;
    message::Envelope& envelope = envelope_.change();
    envelope.helo = "bad.example";
    envelope.reverse_path = "bad@example.org";
    envelope.peer_address = "192.0.2.1";
    envelope.recipients = {{"good@example.org", {}}, {"bad@example.com", {}}};
    on_loop(t_.loop, [&] {
      if (!session_filters_)
        session_filters_ = std::make_unique<SessionFilters>(pipeline::borrowed(t_.chain), 7);
      auto now = session_filters_->run(phase, declared, envelope_.share(),
                                       [this](SessionFilters::Result later) {
                                         ++times_;
                                         result_ = std::move(later);
                                       });
      if (now) result_ = std::move(now);
      then();
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
  std::string ask(Phase phase, uint64_t declared = 0) {
    start(phase, declared);
    return reply();
  }

  ChainHost t_;
  std::unique_ptr<SessionFilters> session_filters_;
  message::SharedEnvelope envelope_;
  std::optional<SessionFilters::Result> result_;
  int times_ = 0;
};

TEST_F(SessionFiltersTest, PhaseWithoutSessionFiltersContinues) {
  EXPECT_EQ(ask(Phase::connect), "go on");
}

TEST_F(SessionFiltersTest, EachPhaseHasItsDefaultReply) {
  add("s", {{"peer", "192.0.2.1"},
            {"helo", "bad.example"},
            {"from", "bad@example.org"},
            {"rcpt", "bad@example.com"}});
  EXPECT_EQ(ask(Phase::connect), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(ask(Phase::helo), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(ask(Phase::mail), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(ask(Phase::rcpt), "550 5.7.1 refused by session_filter");
  EXPECT_EQ(result_->detail, "s");
}

TEST_F(SessionFiltersTest, OnlyTheNewRecipientIsLookedAt) {
  add("s", {{"rcpt", "good@example.org"}});
  EXPECT_EQ(ask(Phase::rcpt), "go on");
}

TEST_F(SessionFiltersTest, TheDeclaredSizeIsKnownAtMail) {
  add("s", {{"declared", "1KiB"}, {"code", "552"}, {"enhanced", "5.3.4"}, {"text", "too large"}});
  EXPECT_EQ(ask(Phase::mail, 1024), "go on");
  EXPECT_EQ(ask(Phase::mail, 1025), "552 5.3.4 too large");
}

TEST_F(SessionFiltersTest, FiltersAreAskedOnlyAboutThePhasesTheyWant) {
  add("s", {{"helo", "bad.example"}, {"phases", "9"}});  // connect and MAIL
  EXPECT_EQ(ask(Phase::helo), "go on");
}

TEST_F(SessionFiltersTest, TempfailIs451) {
  add("s", {{"helo", "bad.example"}, {"verdict", "tempfail"}, {"text", ""}});
  EXPECT_EQ(ask(Phase::helo), "451 4.7.1 Try again later");
}

TEST_F(SessionFiltersTest, A421OfTheirOwnIsKept) {
  add("s",
      {{"helo", "bad.example"}, {"verdict", "tempfail"}, {"code", "421"}, {"text", "go away"}});
  EXPECT_EQ(ask(Phase::helo), "421 4.7.1 go away");
}

TEST_F(SessionFiltersTest, DiscardAndExceptionsMeanTempfail) {
  add("s", {{"helo", "bad.example"}, {"verdict", "discard"}});
  EXPECT_EQ(ask(Phase::helo), "451 4.7.1 Try again later");
  t_.chain.session_filters.clear();
  add("t", {{"helo", "bad.example"}, {"verdict", "throws"}});
  EXPECT_EQ(ask(Phase::helo), "451 4.7.1 Try again later");
}

TEST_F(SessionFiltersTest, AnswersMayComeLater) {
  add("s", {{"from", "bad@example.org"}, {"delay", "2ms"}});
  start(Phase::mail);
  envelope_.change().reverse_path = "changed meanwhile";
  EXPECT_EQ(reply(), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(times_, 1);
}

TEST_F(SessionFiltersTest, NothingOfTheEnvelopeIsKeptAfterTheAnswer) {
  add("at once", {});
  ask(Phase::mail);
  EXPECT_EQ(envelope_.share().use_count(), 2);
  add("later", {{"from", "bad@example.org"}, {"delay", "2ms"}});
  start(Phase::mail);
  EXPECT_GT(envelope_.share().use_count(), 2);
  reply();
  EXPECT_EQ(envelope_.share().use_count(), 2);
}

TEST_F(SessionFiltersTest, SeveralAreAskedInOrderAtOnceAndLater) {
  add("passes", {});
  auto patient =
      t_.entry("patient", "session_filter", {{"helo", "bad.example"}, {"verdict", "never"}});
  patient.on_timeout = OnFailure::proceed;
  add(std::move(patient));
  add("refuses", {{"helo", "bad.example"}, {"delay", "2ms"}, {"text", "the third"}});
  add("fourth", {{"helo", "bad.example"}, {"text", "the fourth"}});
  start(Phase::helo);
  EXPECT_FALSE(result_);
  t_.advance(10'000);
  EXPECT_EQ(reply(), "554 5.7.1 the third");
}

TEST_F(SessionFiltersTest, SilenceIsTempfailedByDefaultOrByPolicy) {
  add("s", {{"helo", "bad.example"}, {"verdict", "never"}});
  start(Phase::helo);
  t_.advance(10'000);
  EXPECT_EQ(reply(), "451 4.7.1 Try again later");
  EXPECT_EQ(result_->detail, "s: its deadline passed");
  t_.chain.session_filters.clear();
  auto strict =
      t_.entry("t", "session_filter", {{"rcpt", "bad@example.com"}, {"verdict", "never"}});
  strict.on_timeout = OnFailure::reject;
  add(std::move(strict));
  start(Phase::rcpt);
  t_.advance(10'000);
  EXPECT_EQ(reply(), "550 5.7.1 Message refused");
}

TEST_F(SessionFiltersTest, AnAnswerInTimeStopsTheDeadline) {
  add("s", {{"helo", "bad.example"}, {"delay", "1ms"}});
  EXPECT_EQ(ask(Phase::helo), "554 5.7.1 refused by session_filter");
  t_.advance(60'000);
  turn(t_.loop);
  EXPECT_EQ(times_, 1);
}

TEST_F(SessionFiltersTest, DestructionWithAnOpenCallCallsNoHandler) {
  add("s", {{"helo", "bad.example"}, {"delay", "2ms"}});
  start(Phase::helo, 0, [&] { session_filters_.reset(); });
  turn(t_.loop, 30);
  t_.advance(60'000);
  EXPECT_EQ(times_, 0);
  EXPECT_FALSE(result_);
  EXPECT_TRUE(t_.logged("session closed"));
}

TEST_F(SessionFiltersTest, MayBeDestroyedByTheHandlerOfTheResult) {
  add("s", {{"helo", "bad.example"}, {"delay", "1ms"}});
  add("silent", {{"from", "bad@example.org"}, {"verdict", "never"}});
  for (const Phase phase : {Phase::helo, Phase::mail}) {
    int heard = 0;
    envelope_.change().helo = "bad.example";
    envelope_.change().reverse_path = "bad@example.org";
    on_loop(t_.loop, [&] {
      session_filters_ = std::make_unique<SessionFilters>(pipeline::borrowed(t_.chain), 8);
      EXPECT_FALSE(
          session_filters_->run(phase, 0, envelope_.share(), [&](const SessionFilters::Result&) {
            session_filters_.reset();
            ++heard;
          }));
    });
    if (phase == Phase::mail) t_.advance(10'000);
    EXPECT_TRUE(t_.run_until([&] { return heard == 1; }));
  }
}

TEST_F(SessionFiltersTest, TheDataPhaseKnowsAllRecipients) {
  add("s", {{"data", "2"}});
  EXPECT_EQ(ask(Phase::rcpt), "go on");
  EXPECT_EQ(ask(Phase::data), "554 5.7.1 refused by session_filter");
}

TEST_F(SessionFiltersTest, AcceptSkipsThoseThatAreLeftAtThisPhase) {
  add("s", {{"accept", "true"}});
  add("t", {{"helo", "bad.example"}});
  EXPECT_EQ(ask(Phase::helo), "go on");
}

TEST_F(SessionFiltersTest, AnnotationsStayWithTheSession) {
  add("s", {{"annotate", "yes"}});
  EXPECT_EQ(ask(Phase::helo), "go on");
  EXPECT_EQ(ask(Phase::mail), "go on");
  ASSERT_NE(session_filters_->annotations(), nullptr);
  EXPECT_EQ(session_filters_->annotations()->at("session_filter.phases"), "28");
}

TEST_F(SessionFiltersTest, AnnotationsOfARefusalAreDropped) {
  add("s", {{"annotate", "yes"}, {"helo", "bad.example"}});
  ask(Phase::helo);
  EXPECT_EQ(session_filters_->annotations(), nullptr);
}

TEST_F(SessionFiltersTest, LearnHowATransactionEnded) {
  add("s", {});
  EXPECT_EQ(ask(Phase::mail), "go on");
  on_loop(t_.loop,
          [&] { session_filters_->transaction_ended("the-id", message::TransactionEnd::reset); });
  EXPECT_TRUE(t_.logged("how=3 id=the-id"));
}

}  // namespace
}  // namespace lsmtpd::pipeline
