// SPDX-License-Identifier: Apache-2.0
// Getting connected: SASL, peers that speak something else, refused targets, options, and the
// probe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string probe(Rig& rig, std::uint32_t expected) {
  if (rig.start() != 0) return "not started: " + rig.errors();
  const lsmtpd_test_verdict* verdict = lsmtpd_test_probe(rig.raw());
  EXPECT_EQ(verdict->kind, expected);
  return lsmtpd_test_steps(rig.raw());
}

TEST(Sasl, ARefusedPasswordIsNamed) {
  Script script;
  // The SASL header with one mechanism, then the outcome `auth` (part 5, 5.3.3).
  const std::string header("AMQP\x03\x01\x00\x00", 8);
  const std::string mechanisms(
      "\x00\x00\x00\x15\x02\x01\x00\x00\x00\x53\x40\xc0\x08\x01\xa3\x05PLAIN", 21);
  const std::string refused("\x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x44\xc0\x03\x01\x50\x01", 16);
  script.raw = {header + mechanisms, refused, refused};
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url())
      .option("address", "mail")
      .option("username", "u")
      .option("password", "geheim");
  const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
  EXPECT_THAT(steps, HasSubstr("sasl 13 "));
  EXPECT_THAT(steps + rig.log(), Not(HasSubstr("geheim")));
}

TEST(Sasl, WithoutACommonMechanismBothListsAreNamed) {
  Peer peer({});  // ANONYMOUS
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("sasl", "PLAIN");
  rig.option("sasl", "EXTERNAL").option("username", "u").option("password", "p");
  const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
  EXPECT_THAT(steps, HasSubstr("sasl 13 "));
  EXPECT_THAT(steps, HasSubstr("the broker offers ANONYMOUS; allowed here: PLAIN EXTERNAL"));
}

TEST(Sasl, APeerThatSpeaks091IsNamed) {
  Script script;
  script.raw = {std::string("AMQP\x00\x00\x09\x01", 8)};
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL), HasSubstr("AMQP 0-9-1"));
}

TEST(Attach, ARefusalIsNamedAndTriedAgain) {
  Script script;
  script.refuse_attach = "amqp:not-found";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(rig.log(), HasSubstr("amqp:not-found"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  peer.change([](Script& change) { change.refuse_attach.clear(); });
  rig.advance(10000);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
}

TEST(Attach, ALossyTargetNeedsAllowLossyTarget) {
  Script script;
  script.product = "RabbitMQ";
  script.version = "3.10.8";
  Peer peer(script);
  {
    Rig rig;
    rig.option("urls", peer.url()).option("exchange", "mails").option("routing_key", "in");
    const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
    EXPECT_THAT(steps, HasSubstr("attach 15 "));
    EXPECT_THAT(steps, HasSubstr("allow_lossy_target"));
    EXPECT_TRUE(peer.attached().empty());
  }
  Rig rig;
  rig.option("urls", peer.url()).option("exchange", "mails").option("routing_key", "in");
  rig.option("allow_lossy_target", "true");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.attached().at(0).address, "/exchange/mails/in");
  EXPECT_THAT(rig.log(), HasSubstr("loses messages"));
}

TEST(Attach, ARoutingKeyAloneNamesTheQueueAsTheProductDoes) {
  Script script;
  script.product = "RabbitMQ";
  script.version = "4.0.5";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("routing_key", "mails");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.attached().at(0).address, "/queues/mails");
}

TEST(Attach, ComesAgainWhereTheBrokerAllowsOneSession) {
  Script script;
  script.sessions = 1;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  rig.advance(6000);
  peer.detach("amqp:link:detach-forced");
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; })) << rig.log();
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
}

TEST(Attach, AddressesTakeTurnsWhereTheBrokerAllowsFewSessions) {
  Script script;
  script.sessions = 2;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "{rcpt_domain}");
  ASSERT_EQ(rig.start(), 0);
  for (const char* recipient : {"a@one", "a@two", "a@three", "a@one", "a@four"})
    EXPECT_EQ(rig.deliver(rig.mail("x", recipient)).kind, LSMTPD_STORED) << recipient;
  EXPECT_EQ(rig.deliver(rig.mail("x", "a@five b@six")).kind, LSMTPD_STORED);
  const lsmtpd_test_verdict& more = rig.deliver(rig.mail("x", "a@seven b@eight c@nine"));
  EXPECT_EQ(more.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(peer.connections(), 1U);
}

// Asked for before the broker said how few it allows.
TEST(Attach, DeliveryThatFindsNoFreeSessionIsAnswered) {
  Script script;
  script.sessions = 1;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "{rcpt_domain}");
  ASSERT_EQ(rig.start(), 0);
  const lsmtpd_call call = rig.send(rig.mail("x", "a@one b@two"));
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.log(), HasSubstr("the broker allows 1 sessions"));
  EXPECT_EQ(rig.deliver(rig.mail("x", "a@three")).kind, LSMTPD_STORED);
}

TEST(Attach, WithoutAnAnswerEndsAndTheConnectionWithIt) {
  Script script;
  script.ignores_attach = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("connect_timeout", "30s");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 1; }));
  const lsmtpd_call call = rig.send();
  rig.turn();
  EXPECT_EQ(rig.answer(call), nullptr);
  peer.change([](Script& change) { change.ignores_attach = false; });
  rig.advance(30000);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.log(), HasSubstr("no answer to the attach within 30000 ms"));
  rig.advance(10000);
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "attached to the target"); }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 2U);
}

TEST(Attach, WithoutAnAnswerLeavesAConnectionThatWorks) {
  Peer peer({});
  Rig rig;
  rig.option("urls", peer.url()).option("address", "{rcpt_domain}");
  rig.option("connect_timeout", "3s");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.deliver(rig.mail("x", "a@one")).kind, LSMTPD_STORED);
  peer.change([](Script& change) { change.ignores_attach = true; });
  const lsmtpd_call call = rig.send(rig.mail("x", "a@two"));
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; }));
  rig.advance(3000);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.deliver(rig.mail("x", "a@one")).kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
}

// Proton keeps closed objects until they are freed.
TEST(Attach, AddressesThatComeAndGoLeaveNothingBehind) {
  Peer peer({});
  Rig rig;
  rig.option("urls", peer.url()).option("links", "1").option("address", "{rcpt_domain}");
  ASSERT_EQ(rig.start(), 0);
  int address = 0;
  const auto growth = [&](int step) {  // the test host keeps its mails and its log
    const std::size_t before = ::mallinfo2().uordblks;
    for (int i = 0; i < 500; ++i) {
      const std::string recipient = "a@d" + std::to_string(address += step);
      EXPECT_EQ(rig.deliver(rig.mail("x", recipient.c_str())).kind, LSMTPD_STORED);
    }
    return ::mallinfo2().uordblks - before;
  };
  growth(1);
  const std::size_t same = growth(0);
  EXPECT_LT(growth(1), same + 500 * std::size_t{800});
}

TEST(Connect, ProtonWritesNothingPastTheLog) {
  Peer peer({});
  testing::internal::CaptureStderr();
  Rig rig;
  rig.attach(peer);
  peer.send_raw("this is no frame");
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "connection to the broker lost"); }));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Connect, ABrokerThatSaysOpenTwiceIsLeft) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  peer.send_raw(std::string("\0\0\0\x11\x02\0\0\0\0\x53\x10\xc0\x04\x01\xa1\x01x", 17));
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "a second connection"); }));
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

// It would be kept, with all that comes over it, for as long as the broker likes.
TEST(Connect, ABrokerThatOpensLinksByItselfIsLeft) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  peer.intrude();
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "that it was not asked for"); }));
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Probe, PrintsWhatItFound) {
  Script script;
  script.credit = 170;
  script.max_message_size = 16777216;
  script.product = "apache-activemq-artemis";
  script.version = "2.31.2";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  const std::string steps = probe(rig, LSMTPD_CONTINUE);
  for (const char* part : {"resolve 0 amqp://127.0.0.1", "connect 0 127.0.0.1", "sasl 0 ANONYMOUS",
                           "open 0 apache-activemq-artemis 2.31.2", "attach 0 mail: credit 170",
                           "max-message-size 16777216", "nothing known against it"}) {
    EXPECT_THAT(steps, HasSubstr(part));
  }
  EXPECT_EQ(steps.find("attach"), steps.rfind("attach")) << "said once: " << steps;
  EXPECT_EQ(rig.finish(), "");
}

// Proton passes on a number that AMQP does not have; it is said as it came.
TEST(Probe, ADurabilityThatAmqpDoesNotHaveIsANumber) {
  Script script;
  script.durability = 255;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  EXPECT_THAT(probe(rig, LSMTPD_CONTINUE), HasSubstr("target durability 255"));
}

TEST(Probe, BrokerActionsDuringTheGoodbyeAreNoFault) {
  Script script;
  script.detaches_first = true;
  Peer peer(script);
  Peer next({});
  Rig rig;
  rig.option("urls", peer.url()).option("urls", next.url()).option("address", "mail");
  const std::string steps = probe(rig, LSMTPD_CONTINUE);
  EXPECT_NE(steps.find("attach 0"), steps.rfind("attach 0")) << "both brokers: " << steps;
}

TEST(Probe, AnAttachWithoutAnAnswerFailsIt) {
  Script script;
  script.ignores_attach = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("connect_timeout", "100ms");
  lsmtpd_test_real_time(rig.raw(), 1);
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL), HasSubstr("attach 15 "));
}

// Brokers answer an Open that they refuse, and close.
TEST(Probe, ARefusedOpenIsNamedAsSuch) {
  Script script;
  script.refuse_open = "amqp:not-found";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
  EXPECT_THAT(steps, HasSubstr("open 14 "));
  EXPECT_THAT(steps, Not(HasSubstr("attach")));
}

TEST(Probe, TriesEachBrokerAndOneThatFailsFailsIt) {
  std::string gone;
  {
    Peer peer({});
    gone = peer.url();
  }
  Peer peer({});
  Rig rig;
  rig.option("urls", gone).option("urls", peer.url()).option("address", "mail");
  const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
  EXPECT_THAT(steps, HasSubstr("connect 11 "));
  EXPECT_THAT(steps, HasSubstr("attach 0 "));
}

TEST(Options, MistakesAreNamed) {
  const struct {
    std::vector<std::pair<const char*, const char*>> options;
    const char* expected;
  } rows[] = {
      {{{"urls", "amqp://b"}}, "where do the messages go"},
      {{{"urls", "amqp://b"}, {"address", "a"}, {"exchange", "e"}}, "name the target once"},
      {{{"urls", "amqp://u:p@b"}, {"address", "a"}}, "`username` and `password`"},
      {{{"urls", "amqp://b"}, {"address", "{oops}"}}, "{oops} is not known"},
      {{{"urls", "amqp://b"}, {"address", "a"}, {"password", "x"}}, "username"},
      {{{"urls", "amqp://b"}, {"address", "a"}, {"tls_key", "x"}}, "go together"},
      {{{"urls", "amqp://b"}, {"address", "a"}, {"vhost", "x"}, {"virtual_host", "y"}},
       "virtual_host"},
  };
  for (const auto& row : rows) {
    Rig rig;
    for (const auto& [key, value] : row.options) rig.option(key, value);
    EXPECT_NE(rig.start(), 0) << row.expected;
    EXPECT_THAT(rig.errors(), HasSubstr(row.expected));
    EXPECT_THAT(rig.errors(), Not(HasSubstr("u:p")));
  }
}

TEST(Options, APasswordOverClearTextToAnotherHostIsWarnedOf) {
  Rig rig;
  rig.option("urls", "amqp://broker.example")
      .option("address", "a")
      .option("username", "u")
      .option("password", "p");
  EXPECT_EQ(lsmtpd_test_validate_options(rig.raw()), 0);
  EXPECT_THAT(lsmtpd_test_warnings(rig.raw()), HasSubstr("clear text"));
}

TEST(Options, ThePasswordFileIsReadAtStartAndItsAbsenceNamed) {
  Rig rig;
  rig.option("urls", "amqp://127.0.0.1:1").option("address", "a").option("username", "u");
  rig.option("password_file", "/nonexistent");
  EXPECT_NE(rig.start(), 0);
  EXPECT_THAT(rig.errors(), HasSubstr("cannot read /nonexistent"));
}

}  // namespace
}  // namespace lsmtpd::amqp::test
