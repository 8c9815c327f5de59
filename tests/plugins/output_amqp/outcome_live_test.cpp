// SPDX-License-Identifier: Apache-2.0
// The client's reply for each outcome of a message at a broker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StrEq;

Script answering(Answer answer) {
  Script script;
  script.answer = [answer](std::size_t, const std::string&) { return answer; };
  return script;
}

struct Case {
  const char* name;
  Answer answer;
  std::uint32_t kind;
  std::uint32_t code;
  std::uint32_t flags = 0;
};

class OutcomeTable : public testing::TestWithParam<Case> {};

TEST_P(OutcomeTable, BecomesTheVerdict) {
  Peer peer(answering(GetParam().answer));
  Rig rig;
  rig.attach(peer);
  const auto& verdict = rig.wait(rig.send(rig.mail(), GetParam().flags));
  EXPECT_EQ(verdict.kind, GetParam().kind) << verdict.detail;
  EXPECT_EQ(verdict.code, GetParam().code);
  EXPECT_EQ(peer.messages().size(), 1U);
  EXPECT_EQ(rig.finish(), "");
}

constexpr auto kReplay = LSMTPD_DELIVERY_REPLAY;

INSTANTIATE_TEST_SUITE_P(
    All, OutcomeTable,
    testing::Values(
        Case{"accepted", {Answer::accept, "", ""}, LSMTPD_STORED, 0},
        Case{"released", {Answer::release, "", ""}, LSMTPD_TEMPFAIL, 451},
        Case{"modified", {Answer::modify, "", ""}, LSMTPD_TEMPFAIL, 451},
        Case{"settled_without_state", {Answer::settle_only, "", ""}, LSMTPD_TEMPFAIL, 451},
        Case{"rejected", {Answer::reject, "", ""}, LSMTPD_REJECT, 554},
        Case{"decode_error", {Answer::reject, "amqp:decode-error", "no"}, LSMTPD_REJECT, 554},
        Case{"too_large",
             {Answer::reject, "amqp:link:message-size-exceeded", ""},
             LSMTPD_REJECT,
             552},
        Case{"queue_full",
             {Answer::reject, "amqp:resource-limit-exceeded", ""},
             LSMTPD_TEMPFAIL,
             451},
        Case{"not_found", {Answer::reject, "amqp:not-found", ""}, LSMTPD_TEMPFAIL, 451},
        Case{"no_permission",
             {Answer::reject, "amqp:unauthorized-access", ""},
             LSMTPD_TEMPFAIL,
             451},
        Case{"inner_fault_live", {Answer::reject, "amqp:internal-error", ""}, LSMTPD_TEMPFAIL, 451},
        Case{"inner_fault_replayed",
             {Answer::reject, "amqp:internal-error", ""},
             LSMTPD_REJECT,
             554,
             kReplay},
        Case{"accepted_replayed", {Answer::accept, "", ""}, LSMTPD_STORED, 0, kReplay},
        Case{"connection_drops", {Answer::drop_connection, "", ""}, LSMTPD_TEMPFAIL, 451}),
    [](const auto& row) { return row.param.name; });

Script from_rabbitmq(Answer answer) {
  Script script = answering(std::move(answer));
  script.product = "RabbitMQ";
  script.version = "4.3.0";
  script.queue_type = "quorum";
  return script;
}

struct RabbitCase {
  const char* name;
  Answer answer;
  std::uint32_t kind;
};

class RabbitOutcome : public testing::TestWithParam<RabbitCase> {};

// Live and on replay alike.
TEST_P(RabbitOutcome, PassesWhereTheQueueWasFullOrItsNodeDown) {
  for (const std::uint32_t flags : {0U, kReplay}) {
    Peer peer(from_rabbitmq(GetParam().answer));
    Rig rig;
    rig.option("routing_key", "mail").attach(peer, nullptr);
    const auto& verdict = rig.wait(rig.send(rig.mail(), flags));
    EXPECT_EQ(verdict.kind, GetParam().kind) << verdict.detail;
    EXPECT_THAT(verdict.detail, HasSubstr("/queues/mail"));
    for (const auto& [key, value] : GetParam().answer.info)
      EXPECT_THAT(verdict.detail, HasSubstr(key + " " + value));
    EXPECT_THAT(verdict.enhanced, Not(StrEq("4.4.2")));
  }
}

Answer refused_by(const char* condition, const char* reason) {
  return {Answer::reject, condition, "", {{"queue", "mail"}, {"reason", reason}}};
}

INSTANTIATE_TEST_SUITE_P(
    All, RabbitOutcome,
    testing::Values(
        RabbitCase{"bare", {Answer::reject, "", ""}, LSMTPD_TEMPFAIL},
        RabbitCase{"full", refused_by("amqp:resource-limit-exceeded", "maxlen"), LSMTPD_TEMPFAIL},
        RabbitCase{"node_down", refused_by("amqp:precondition-failed", "unavailable"),
                   LSMTPD_TEMPFAIL},
        RabbitCase{"precondition", refused_by("amqp:precondition-failed", "other"), LSMTPD_REJECT},
        RabbitCase{"never_passes",
                   refused_by("amqp:resource-limit-exceeded", "property-limit-exceeded"),
                   LSMTPD_REJECT}),
    [](const auto& row) { return row.param.name; });

TEST(Outcome, AllOutcomesAreListedInTheSource) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  for (const char* outcome : {"accepted", "rejected", "released", "modified"})
    EXPECT_THAT(peer.attached().at(0).outcomes,
                HasSubstr(std::string("amqp:") + outcome + ":list"));
}

// 4.4.2 counts against a message that is lost alone three times: not where the link will be back.
TEST(Outcome, ALossThatPassesByItselfDoesNotCountAgainstTheMessage) {
  const struct {
    const char* condition;
    bool closes;
    const char* enhanced;
  } rows[] = {{"amqp:resource-limit-exceeded", false, "4.3.0"},
              {"amqp:link:detach-forced", false, "4.3.0"},
              {"amqp:decode-error", false, "4.4.2"},
              {"", false, "4.4.2"},
              {"amqp:connection:forced", true, "4.3.0"},
              {"amqp:internal-error", true, "4.4.2"}};
  for (const auto& row : rows) {
    Peer peer(answering({Answer::hold, "", ""}));
    Rig rig;
    rig.attach(peer);
    const lsmtpd_call call = rig.send(rig.mail(), kReplay);
    ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
    if (row.closes) {
      peer.close(row.condition);
    } else {
      peer.detach(row.condition, "text: of the broker");
    }
    EXPECT_THAT(rig.wait(call).enhanced, StrEq(row.enhanced)) << row.condition;
  }
}

TEST(Outcome, ConditionReachesTheClientAndDescriptionOnlyTheLog) {
  Peer peer(answering({Answer::reject, "amqp:decode-error", "secret path /var/lib"}));
  Rig rig;
  rig.attach(peer);
  const auto& verdict = rig.deliver();
  EXPECT_THAT(verdict.text, HasSubstr("amqp:decode-error"));
  EXPECT_THAT(verdict.text, Not(HasSubstr("secret")));
  EXPECT_THAT(verdict.detail, HasSubstr("secret path /var/lib"));
}

TEST(Outcome, AcceptedButNotSettledIsNo250Yet) {
  Peer peer(answering({Answer::accept_unsettled, "", ""}));
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.messages().size() == 1; }));
  rig.turn();
  EXPECT_EQ(rig.answer(call), nullptr);
  peer.drop();
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
}

TEST(Outcome, AcceptedBeforeItWasSentWholeIsNo250) {
  Script script;
  script.max_frame = 512;
  script.window = 512;
  script.answers_early = true;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const auto& verdict = rig.deliver(rig.mail(std::string(2000, 'x')));
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(verdict.detail, HasSubstr("accepted before it was sent"));
  EXPECT_EQ(rig.finish(), "");
}

TEST(Outcome, OutcomeAfterTheLaneGaveUpIsIgnored) {
  Script script = answering({Answer::hold, "", ""});
  script.ignores_close = true;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  rig.close();
  rig.advance(3000);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  peer.settle_held({});
  rig.turn();
  rig.advance(1000);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Outcome, HeldDeliveriesAreSettledOutOfOrder) {
  std::vector<lsmtpd_call> calls;
  Script script = answering({Answer::hold, "", ""});
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  for (int i = 0; i < 3; ++i) calls.push_back(rig.send());
  ASSERT_TRUE(rig.until([&] { return peer.held() == 3; }));
  peer.settle_held({Answer::reject, "", ""}, 1);
  peer.settle_held({Answer::release, "", ""}, 1);
  peer.settle_held({Answer::accept, "", ""}, 1);
  EXPECT_EQ(rig.wait(calls[0]).kind, LSMTPD_REJECT);
  EXPECT_EQ(rig.wait(calls[1]).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.wait(calls[2]).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Outcome, FramesSplitOverReadsAndWritesChangeNothing) {
  Script script;
  script.read_size = 3;
  script.write_size = 1;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Outcome, HundredUnsettledAtALinkLossAreAllAnsweredOnce) {
  Peer peer(answering({Answer::hold, "", ""}));
  Rig rig;
  rig.attach(peer);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(rig.send());
  ASSERT_TRUE(rig.until([&] { return peer.held() == 100; }));
  peer.drop();
  for (const lsmtpd_call call : calls) {
    const auto& verdict = rig.wait(call);
    EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
    EXPECT_THAT(verdict.enhanced, StrEq("4.4.2"));
    EXPECT_EQ(verdict.flags, LSMTPD_IN_DOUBT);
    EXPECT_THAT(verdict.detail, HasSubstr("link lost while unsettled"));
  }
  EXPECT_EQ(rig.finish(), "");
}

TEST(Outcome, DetachAnswersWhatIsUnsettledAndAttachesAgain) {
  Peer peer(answering({Answer::hold, "", ""}));
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  peer.change([](Script& script) { script.answer = nullptr; });
  peer.detach("amqp:resource-deleted", "the queue is gone");
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.admission().ready, 0U);
  rig.advance(1000);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
  EXPECT_EQ(peer.attached().size(), 2U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
}

TEST(Outcome, CloseByTheBrokerReconnects) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  peer.close("amqp:connection:forced");
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "amqp:connection:forced"); }));
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Outcome, GarbageFromTheBrokerLosesTheConnectionAndNothingElse) {
  Peer peer(answering({Answer::hold, "", ""}));
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  peer.send_raw("\x01\x02garbage garbage garbage garbage");
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Outcome, AFrameAboveTheLimitLosesTheConnection) {
  Peer peer(answering({Answer::hold, "", ""}));
  Rig rig;
  rig.option("max_frame_size", "1KiB").attach(peer);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  std::string frame("\x7f\xff\xff\xff\x02\x00\x00\x00", 8);
  frame.append(4096, 'x');
  peer.send_raw(frame);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.finish(), "");
}

}  // namespace
}  // namespace lsmtpd::amqp::test
