// SPDX-License-Identifier: Apache-2.0
// The whole plugin against a scripted broker: confirms, returns, refusals, alarms, losses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig091.hpp"

namespace lsmtpd::amqp091::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StrEq;

Script answering(Answer answer) {
  Script script;
  script.answer = [answer](std::size_t) { return answer; };
  return script;
}

std::string reason(Rig& rig) {
  const lsmtpd_admission admission = rig.admission();
  return std::string(admission.reason.data, admission.reason.size);
}

TEST(Publish, IsMandatoryPersistentAndStoredOnceConfirmed) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.option("format", "rfc822");
  rig.open(broker, "mail");
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
  EXPECT_EQ(rig.answer(call), nullptr) << "stored before the confirm";
  broker.confirm(1, false);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  const Published message = broker.published()[0];
  EXPECT_TRUE(message.mandatory);
  EXPECT_EQ(message.exchange, "");
  EXPECT_EQ(message.routing_key, "mail");
  EXPECT_EQ(message.body, "Subject: x\r\n\r\nhello\r\n");
  const Fields headers = read_headers(Reader(message.header));
  EXPECT_EQ(headers.at("smtp_mail_from"), "a@example.org");
  EXPECT_EQ(headers.at("smtp_rcpt_count"), "1");
}

TEST(Publish, AConfirmOfSeveralAnswersThemAll) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.open(broker, "mail");
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(rig.send());
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 5; }));
  broker.confirm(4, false, false);
  EXPECT_EQ(rig.wait(calls[3]).kind, LSMTPD_TEMPFAIL);
  broker.confirm(3, true);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(rig.wait(calls[static_cast<std::size_t>(i)]).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.answer(calls[4]), nullptr);
  broker.confirm(0, true);
  EXPECT_EQ(rig.wait(calls[4]).kind, LSMTPD_STORED);
}

TEST(Publish, ANackIsATempfail) {
  ScriptedBroker broker(answering(Answer::nack));
  Rig rig;
  rig.open(broker, "mail");
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.code, 451U);
  EXPECT_EQ(verdict.flags & LSMTPD_IN_DOUBT, 0U);
}

TEST(Publish, AReturnDecidesThoughTheMessageIsConfirmed) {
  Script script;
  script.answer = [](std::size_t number) { return number == 1 ? Answer::give_back : Answer::ack; };
  ScriptedBroker broker(script);
  Rig rig;
  rig.option("format", "rfc822");
  rig.open(broker, "mail");
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(rig.deliver(rig.mail(std::string(20'000, 'x') + "\r\n")).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << "the frames behind the return are read";
}

TEST(Publish, AnUnroutableMessageIsRefusedWhereTheOptionSaysSo) {
  ScriptedBroker broker(answering(Answer::give_back));
  Rig rig;
  rig.option("unroutable", "reject");
  rig.open(broker, "mail");
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 550U);
}

TEST(Publish, ALargeMessageArrivesInFramesThatTheBrokerTakes) {
  Script script;
  script.tune.frame_max = 4096;
  ScriptedBroker broker(script);
  Rig rig;
  rig.option("format", "rfc822");
  rig.open(broker, "mail");
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) content += "line " + std::to_string(i) + "\r\n";
  EXPECT_EQ(rig.deliver(rig.mail(content)).kind, LSMTPD_STORED);
  EXPECT_EQ(broker.published()[0].body, content);
}

TEST(Publish, AMessageBeyondTheLimitIsRefusedAndTheLimitAnnounced) {
  ScriptedBroker broker({});
  Rig rig;
  rig.option("max_message", "4KiB").option("format", "rfc822");
  rig.open(broker, "mail");
  EXPECT_EQ(rig.admission().max_message_size, 4096U);
  const lsmtpd_test_verdict& verdict = rig.deliver(rig.mail(std::string(5000, 'x')));
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 552U);
}

TEST(Channel, ThatTheBrokerClosesLeavesItsMessagesInDoubtAndOpensAgain) {
  Script script;
  script.answer = [](std::size_t number) {
    return number < 2 ? Answer::hold : number == 2 ? Answer::close_channel : Answer::ack;
  };
  ScriptedBroker broker(script);
  Rig rig;
  rig.open(broker, "mail");
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(rig.send());
  for (const lsmtpd_call call : calls) {
    EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
    EXPECT_NE(rig.answer(call)->flags & LSMTPD_IN_DOUBT, 0U);
  }
  EXPECT_THAT(reason(rig), HasSubstr("NOT_FOUND"));
  rig.advance(300);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; })) << rig.log();
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(broker.connections(), 1U) << "the connection was good";
}

TEST(Alarm, ClosesTheAdmissionUntilItIsOver) {
  ScriptedBroker broker({});
  Rig rig;
  rig.open(broker, "mail");
  broker.block("low on disk");
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(reason(rig), HasSubstr("low on disk"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  broker.unblock();
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Alarm, ThatComesAndGoesIsAFewLines) {
  ScriptedBroker broker({});
  Rig rig;
  rig.open(broker, "mail");
  for (int i = 0; i < 20; ++i) {
    broker.block("low on disk");
    ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
    broker.unblock();
    ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
  }
  const auto lines = [&](const std::string& text) {
    const std::string log = rig.log();
    std::size_t count = 0;
    for (std::size_t at = log.find(text); at != log.npos; at = log.find(text, at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(lines("takes nothing for now"), 3U);
  EXPECT_EQ(lines("takes messages again"), 3U);
  rig.advance(60'000);
  broker.block("low on memory");
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(rig.log(), HasSubstr("why=low on memory left_out=17"));
}

TEST(Loss, OfTheConnectionLeavesUnconfirmedMessagesInDoubt) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.open(broker, "mail");
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
  broker.drop();
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_NE(rig.answer(call)->flags & LSMTPD_IN_DOUBT, 0U);
  EXPECT_EQ(rig.answer(call)->flags & LSMTPD_CAUSE_PASSES, 0U);
}

TEST(Loss, ToABrokerThatClosesDownDoesNotCountAgainstTheMessage) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.open(broker, "mail");
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
  broker.close_connection(320, "CONNECTION_FORCED - broker forced connection closure");
  ASSERT_TRUE(rig.until([&] {
    rig.advance(1);
    return rig.answer(call) != nullptr;
  }));
  EXPECT_NE(rig.answer(call)->flags & LSMTPD_CAUSE_PASSES, 0U);
}

TEST(Heartbeat, IsSentAndASilentBrokerIsLeft) {
  Script script;
  script.tune.heartbeat = 2;
  ScriptedBroker broker(script);
  Rig rig;
  rig.open(broker, "mail");
  ASSERT_TRUE(rig.until([&] {
    rig.advance(100);
    return broker.heartbeats() >= 1;
  }));
  ASSERT_TRUE(rig.until([&] {
    rig.advance(500);
    return Rig::contains(rig.log(), "no frame from the broker for 4 s");
  })) << rig.log();
}

TEST(Deadline, OfAPublishedMessageStallsTheLaneUntilTheConfirmComes) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.open(broker, "mail");
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
  rig.cancel(call);
  EXPECT_EQ(rig.admission().ready, 0U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL) << "it goes elsewhere meanwhile";
  broker.confirm(1, false);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED) << "a late confirm still counts";
  EXPECT_EQ(rig.admission().ready, 1U);
}

TEST(Deadline, WithoutAnyConfirmTheConnectionIsReplaced) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.open(broker, "mail");
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
  rig.cancel(call);
  rig.advance(30'000);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_NE(rig.answer(call)->flags & LSMTPD_IN_DOUBT, 0U);
}

TEST(Metrics, TellWhetherItIsUpAndWhatIsUnsettled) {
  ScriptedBroker broker(answering(Answer::hold));
  Rig rig;
  rig.open(broker, "mail");
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_up"), 1);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_unsettled"), 1);
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_held"), 0);
  broker.drop();
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_up"), 0);
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_unsettled"), 0);
  ASSERT_TRUE(rig.until([&] {
    rig.advance(100);
    return lsmtpd_test_metric(rig.raw(), "output_up") == 1;
  }));
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_reconnects_total"), 1);
}

TEST(Hostile, AConfirmOfWhatIsNotOpenEndsTheConnection) {
  for (const std::uint64_t tag : {std::uint64_t{7}, std::uint64_t{1} << 63, UINT64_MAX}) {
    for (const bool multiple : {false, true}) {
      ScriptedBroker broker(answering(Answer::hold));
      Rig rig;
      rig.open(broker, "mail");
      const lsmtpd_call call = rig.send();
      ASSERT_TRUE(rig.until([&] { return broker.published().size() == 1; }));
      broker.confirm(tag, multiple);
      EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL) << tag;
      EXPECT_NE(rig.answer(call)->flags & LSMTPD_IN_DOUBT, 0U);
    }
  }
}

TEST(Hostile, MessagesThatNobodyAskedForAreReadPast) {
  ScriptedBroker broker({});
  Rig rig;
  rig.open(broker, "mail");
  std::string flood;
  while (flood.size() < (1U << 22)) {
    FrameWriter frame(&flood, FrameType::body, 1);
    flood.append(100'000, 'x');
  }
  broker.send_raw(flood);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << "body frames are counted, not kept";
}

TEST(Hostile, ABrokerThatAsksForAnswersAndDoesNotReadIsLeft) {
  const std::string flow("\x01\0\x01\0\0\0\x05\0\x14\0\x14\x01\xce", 13);
  ScriptedBroker broker({});
  Rig rig;
  rig.raw()->deadline_ms = 60'000;
  rig.open(broker, "mail");
  broker.change([](Script& changed) { changed.deaf = true; });
  std::string flood;
  while (flood.size() < (8U << 20)) flood += flow;
  broker.send_raw(flood);
  EXPECT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "does not read them"); }))
      << rig.log();
}

TEST(Hostile, NonsenseEndsTheConnectionAndTheNextOneWorks) {
  const std::string cases[] = {
      std::string(64, '\xff'),                                  // no frame
      std::string("\x01\0\x01\x7f\xff\xff\xff", 7) + "xx",      // too large
      std::string("\x01\0\x01\0\0\0\x04\0\x3c\0\x50\0", 12),    // without its end
      std::string("\x01\0\x05\0\0\0\x04\0\x3c\0\x50\xce", 12),  // a channel that is not open
      std::string("\x02\0\x01\0\0\0\x02\0\x3c\xce", 10),        // a header without a return
      std::string("\x01\0\0\0\0\0\x04\0\x0a\0\x0a\xce", 12),    // connection.start again
      std::string("\x01\0\x01\0\0\0\x04\0\x14\0\x0b\xce", 12),  // channel.open-ok again
  };
  for (const std::string& bytes : cases) {
    ScriptedBroker broker({});
    Rig rig;
    rig.open(broker, "mail");
    broker.send_raw(bytes);
    ASSERT_TRUE(rig.until([&] {
      rig.advance(1);
      return broker.connections() == 2;
    })) << rig.log();
    ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
    EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  }
}

TEST(Login, SaysWhoWeAreAndARefusalIsNamed) {
  Script script;
  script.refuse_login = true;
  ScriptedBroker broker(script);
  Rig rig;
  rig.option("urls", broker.url()).option("routing_key", "mail");
  rig.option("username", "user").option("password", "secret");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(reason(rig), HasSubstr("ACCESS_REFUSED"));
  EXPECT_EQ(broker.login(), std::string("\0user\0secret", 12));
  EXPECT_THAT(rig.log(), Not(HasSubstr("secret")));
}

TEST(Login, ABrokerOfAMQP10IsNamedWithTheSettingThatHelps) {
  Script script;
  script.protocol_header = std::string("AMQP\x03\x01\0\0", 8);
  ScriptedBroker broker(script);
  Rig rig;
  rig.option("urls", broker.url()).option("routing_key", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(reason(rig), HasSubstr("AMQP_PROTOCOL = 1.0"));
}

TEST(Target, AMissingQueueIsRefusedUntilItIsThere) {
  ScriptedBroker broker({});
  Rig rig;
  rig.option("urls", broker.url()).option("routing_key", "later");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(reason(rig), HasSubstr("no queue 'later'"));
  broker.change([](Script& script) { script.queues["later"] = "quorum"; });
  rig.advance(300);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Target, AClassicQueueNeedsAllowUnsyncedTarget) {
  Script script;
  script.queues["mail"] = "classic";
  ScriptedBroker broker(script);
  {
    Rig rig;
    rig.option("urls", broker.url()).option("routing_key", "mail");
    ASSERT_EQ(rig.start(), 0);
    ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
    EXPECT_THAT(reason(rig), HasSubstr("allow_unsynced_target"));
  }
  Rig rig;
  rig.option("allow_unsynced_target", "true");
  rig.open(broker, "mail");
  EXPECT_THAT(rig.log(), HasSubstr("a power cut loses mail"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Target, AQueueThatIsNotDurableNeedsAllowLossyTarget) {
  Script script;
  script.version = "3.10.8";
  script.queues["mail"] = "transient";
  ScriptedBroker broker(script);
  Rig rig;
  rig.option("urls", broker.url()).option("routing_key", "mail");
  rig.option("allow_unsynced_target", "true");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(reason(rig), HasSubstr("allow_lossy_target"));
}

TEST(Split, ACopyForEachExchangeHasItsOwnChannelAndId) {
  Script script;
  script.exchanges = {"x.example", "y.example"};
  ScriptedBroker broker(script);
  Rig rig;
  rig.option("exchange", "{rcpt_domain}").option("routing_key", "k");
  rig.option("urls", broker.url());
  ASSERT_EQ(rig.start(), 0);
  auto* mail = rig.mail("x\r\n", "a@x.example b@y.example");
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_STORED) << rig.log();
  const auto published = broker.published();
  ASSERT_EQ(published.size(), 2U);
  EXPECT_NE(published[0].channel, published[1].channel);
  EXPECT_NE(read_headers(Reader(published[0].header)).at("copy_id"),
            read_headers(Reader(published[1].header)).at("copy_id"));
}

}  // namespace
}  // namespace lsmtpd::amqp091::test
