// SPDX-License-Identifier: Apache-2.0
// The plugin on the fake host, against a scripted server: each answer becomes its verdict, once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "output_rig.hpp"
#include "scripted_server.hpp"

namespace lsmtpd::nats::test {
namespace {

using testing::HasSubstr;

constexpr const char* kAck = R"({"stream":"MAIL","seq":1})";

class Rig : public lsmtpd::test::OutputRig {
 public:
  explicit Rig(ScriptedServer& server, const char* subject = "mail.in") {
    option("urls", server.url());
    option("stream", "MAIL");
    option("subject", subject);
    option("assume_synced", "true");
  }
  static bool in_doubt(const lsmtpd_test_verdict& verdict) {
    return (verdict.flags & LSMTPD_IN_DOUBT) != 0;
  }
  void open() {
    ASSERT_EQ(start(), 0) << errors();
    ASSERT_TRUE(until([&] { return contains(log(), "ready to publish"); })) << log();
  }
};

TEST(OutputNats, AnAcknowledgedMessageIsStoredAndCarriesItsIds) {
  ScriptedServer server;
  Rig rig(server);
  rig.open();
  const auto call = rig.send();
  rig.until([&] { return server.count() == 1; });
  EXPECT_EQ(rig.answer(call), nullptr) << "before the server had said anything";
  const auto message = server.message(0);
  EXPECT_EQ(message.subject, "mail.in");
  EXPECT_THAT(message.headers, HasSubstr("Nats-Msg-Id: "));
  EXPECT_THAT(message.headers, HasSubstr("\r\nNats-Expected-Stream: MAIL\r\n"));
  server.answer(0, kAck);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

TEST(OutputNats, AnswersMayComeInAnyOrder) {
  ScriptedServer server;
  Rig rig(server);
  rig.open();
  const auto first = rig.send();
  const auto second = rig.send();
  rig.until([&] { return server.count() == 2; });
  server.answer(1, kAck);
  EXPECT_EQ(rig.wait(second).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.answer(first), nullptr);
  server.no_responders(0);
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_TEMPFAIL);
}

TEST(OutputNats, ASecondAnswerAndOneForNobodyChangeNothing) {
  ScriptedServer server;
  Rig rig(server);
  rig.open();
  const auto call = rig.send();
  rig.until([&] { return server.count() == 1; });
  server.answer(0, kAck);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  server.answer(0, R"({"error":{"code":503,"err_code":10077,"description":"x"}})");
  const auto next = rig.send();
  rig.until([&] { return server.count() == 2; });
  server.answer(1, kAck);
  EXPECT_EQ(rig.wait(next).kind, LSMTPD_STORED);
}

TEST(OutputNats, ALostConnectionLeavesWhatWasSentInDoubtAndIsMadeAgain) {
  ScriptedServer server;
  Rig rig(server);
  rig.open();
  const auto call = rig.send();
  rig.until([&] { return server.count() == 1; });
  server.cut();
  const auto& verdict = rig.wait(call);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(Rig::in_doubt(verdict));
  rig.advance(1000);  // past the pause, not past the deadline of the next attempt
  EXPECT_TRUE(rig.until([&] { return server.questions() == 2; }));
}

TEST(OutputNats, AMessageOverTheLimitIsNotSent) {
  ScriptedServer server;
  Rig rig(server);
  rig.option("format", "raw");
  rig.open();
  const auto& verdict = rig.deliver(rig.mail(std::string(100'000, 'x')));
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 552U);
  EXPECT_EQ(server.count(), 0U);
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_GT(rig.admission().max_message_size, 50'000U);
  EXPECT_LT(rig.admission().max_message_size, 100'000U);
}

TEST(OutputNats, APermissionThatIsMissingIsATempfailForItsSubjectOnly) {
  ScriptedServer server;
  Rig rig(server, "mail.{rcpt_local}");
  rig.open();
  const auto bad = rig.send(rig.mail("x\r\n", "bad@example.org"));
  const auto good = rig.send(rig.mail("x\r\n", "good@example.org"));
  rig.until([&] { return server.count() == 2; });
  server.error("Permissions Violation for Publish to \"mail.bad\"");
  EXPECT_EQ(rig.wait(bad).kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(Rig::in_doubt(rig.wait(bad)));
  EXPECT_EQ(rig.answer(good), nullptr);
  server.answer(server.message(0).subject == "mail.good" ? 0 : 1, kAck);
  EXPECT_EQ(rig.wait(good).kind, LSMTPD_STORED);
}

TEST(OutputNats, AnErrorOfTheServerEndsTheConnection) {
  ScriptedServer server;
  Rig rig(server);
  rig.open();
  const auto call = rig.send();
  rig.until([&] { return server.count() == 1; });
  server.error("Maximum Payload Violation");
  EXPECT_TRUE(Rig::in_doubt(rig.wait(call)));
  EXPECT_THAT(rig.log(), HasSubstr("Maximum Payload Violation"));
}

TEST(OutputNats, AStreamThatIsNotFitIsNotPublishedTo) {
  ScriptedServer server;
  server.stream(R"("subjects":["mail.>"],"retention":"limits","discard":"new","storage":"memory")");
  Rig rig(server);
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.contains(rig.log(), "the target was refused"); }));
  EXPECT_EQ(rig.admission().ready, 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(server.count(), 0U);
}

TEST(OutputNats, AServerThatDoesNotAnswerAboutTheStreamIsGivenUp) {
  ScriptedServer server;
  server.keep_silent();
  Rig rig(server);
  rig.option("connect_timeout", "5s");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return server.questions() == 1; }));
  rig.advance(5000);
  EXPECT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "giving the connection up"); }));
}

TEST(OutputNats, CloseWaitsForWhatIsUnderWayAndEndsItsThread) {
  ScriptedServer server;
  Rig rig(server);
  rig.open();
  const auto call = rig.send();
  rig.until([&] { return server.count() == 1; });
  rig.close();
  server.answer(0, kAck);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  EXPECT_TRUE(rig.until([&] { return rig.raw()->lane->closed != 0; }));
  EXPECT_EQ(rig.finish(), "");
}

TEST(OutputNats, ALargeMessageIsSentWhole) {
  ScriptedServer server;
  Rig rig(server);
  rig.option("format", "raw");
  rig.open();
  std::string content;
  while (content.size() < 90'000)
    content += "0123456789abcdef" + std::to_string(content.size()) + "\r\n";
  const auto call = rig.send(rig.mail(content));
  EXPECT_TRUE(rig.until([&] { return server.count() == 1; }));
  EXPECT_EQ(server.message(0).body, content);
  server.answer(0, kAck);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

struct Wrong {
  const char* key;
  const char* value;
  const char* said;
};

TEST(Options, EachContradictionIsAnErrorThatNamesTheOption) {
  const Wrong cases[] = {
      {"subject", "mail.*", "subject: has a wildcard"},
      {"subject", "mail..{rcpt}", "subject: has an empty token"},
      {"subject", "mail.{who}", "subject: {who} is not known"},
      {"stream", "a.b", "stream: \"a.b\" is no name of a stream"},
      {"urls", "amqp://127.0.0.1", "it must begin with nats:// or tls://"},
      {"urls", "nats://u:p@h", "user and password belong into"},
      {"inbox_prefix", "_INBOX.>", "inbox_prefix: has a wildcard"},
      {"credentials_file", "/dev/null", "credentials_file: stands beside another way to log in"},
      {"tls_key", "/dev/null", "certificate and key go together"},
  };
  for (const Wrong& wrong : cases) {
    lsmtpd::test::OutputRig rig;
    std::map<std::string, std::string> options{
        {"urls", "nats://127.0.0.1"}, {"stream", "MAIL"}, {"subject", "mail"}, {"username", "u"}};
    options[wrong.key] = wrong.value;
    for (const auto& [key, value] : options) rig.option(key.c_str(), value);
    EXPECT_NE(rig.start(), 0);
    EXPECT_THAT(rig.errors(), HasSubstr(wrong.said)) << wrong.key << " = " << wrong.value;
  }
}

}  // namespace
}  // namespace lsmtpd::nats::test
