// SPDX-License-Identifier: Apache-2.0
// Brokers that do what none should: data on a link that only takes it, heartbeats without end, an
// Open that is none, connections that are lost as soon as they are good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// A transfer of one message of three bytes on channel 0, handle 0 (part 2, 2.7.5).
std::string transfer(std::uint32_t number) {
  std::string frame(
      "\0\0\0\x1e\x02\0\0\0\0\x53\x14\xc0\x0c\x05\x43\x70????\xa0\x01t\x43\x41\0\x53\x75\xa0\0",
      30);
  const std::size_t start = frame.find('?');
  for (std::size_t i = 0; i < 4; ++i) frame[start + i] = static_cast<char>(number >> (24 - 8 * i));
  return frame;
}

// The same behind an extended header, and with another type of frame: the engine takes both.
std::string disguised(std::string frame, std::size_t doff, char type) {
  frame.insert(8, 4 * doff - 8, '\0');
  frame[2] = static_cast<char>(frame.size() >> 8);
  frame[3] = static_cast<char>(frame.size());
  frame[4] = static_cast<char>(doff);
  frame[5] = type;
  return frame;
}

TEST(Hostile, ABrokerThatSendsDataOnOurLinkIsLeft) {
  const struct {
    std::size_t doff;
    char type;
  } rows[] = {{2, 0}, {15, 0}, {16, 0}, {255, 0}, {2, 1}};
  for (const auto& row : rows) {
    SCOPED_TRACE(testing::Message() << "doff " << row.doff << ", type " << int{row.type});
    Peer peer({});
    Rig rig;
    rig.attach(peer);
    std::string flood;
    std::uint32_t number = 0;
    while (flood.size() < (1U << 20)) flood += disguised(transfer(number++), row.doff, row.type);
    const std::size_t before = ::mallinfo2().uordblks;
    peer.send_raw(flood);
    ASSERT_TRUE(
        rig.until([&] { return Rig::contains(rig.log(), "connection to the broker lost"); }));
    // The peer gives its copy of the flood back on its own thread.
    EXPECT_TRUE(rig.until([&] { return ::mallinfo2().uordblks < before + (1U << 18); }))
        << "kept what it did not ask for";
    EXPECT_THAT(rig.log(), HasSubstr("sent messages that it was not asked for"));
    rig.advance(Rig::kFirstPause);
    ASSERT_TRUE(rig.until([&] { return peer.connections() == 2; }));
    EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  }
}

// A Begin on channel 0 that answers ours there (part 2, 2.7.2), as the first one did.
std::string begin_again() {
  return {"\0\0\0\x16\x02\0\0\0\0\x53\x11\xc0\x09\x04\x60\0\0\x43\x52\x64\x52\x64", 22};
}

TEST(Hostile, ABrokerThatBeginsASessionTwiceIsLeft) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  peer.send_raw(begin_again());
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "connection to the broker lost"); }));
  EXPECT_THAT(rig.log(), HasSubstr("began a session twice"));
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Hostile, ABrokerThatAsksForHeartbeatsWithoutEndIsLeftByName) {
  Script script;
  script.idle_timeout = 2;  // Proton announces half
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "idle-time-out"); })) << rig.log();
  EXPECT_THAT(rig.log(), HasSubstr("within each 1 ms"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(peer.attached().empty());
}

TEST(Hostile, AnOpenThatIsTakenBackIsNoConnection) {
  Script script;
  script.takes_open_back = true;
  script.refuse_open = "amqp:invalid-field";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; })) << rig.log();
  EXPECT_THAT(rig.log(), HasSubstr("amqp:invalid-field"));
  EXPECT_THAT(rig.log(), Not(HasSubstr("connected to the broker")));
}

TEST(Hostile, AnOpenThatIsTakenBackAndNeverClosedEnds) {
  Script script;
  script.takes_open_back = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("connect_timeout", "3s");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 1; }));
  rig.turn();
  rig.advance(3000);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
  EXPECT_THAT(rig.log(), HasSubstr("step=open"));
}

TEST(Hostile, ConnectionsThatAreLostWhenTheyAreGoodGetPauses) {
  Peer peer({});
  Rig rig;
  rig.option("reconnect_first", "1s").attach(peer);
  const auto lose = [&](std::uint64_t ms) {
    const std::size_t before = peer.connections();
    peer.drop();
    rig.turn();
    rig.advance(ms);
    rig.turn();
    return peer.connections() - before;
  };
  EXPECT_EQ(lose(1000), 1U) << "the first loss is tried again soon";
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1 && peer.attached().size() == 2; }));
  rig.turn();
  EXPECT_EQ(lose(499), 0U) << "lost at once again";
  rig.advance(501);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 3; }));
}

// The fuzzer found an encoder that read the message through the job, which was gone.
TEST(Encoder, ReadsTheMessageOnThePoolThoughTheCallIsOver) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_HELD;
  lsmtpd_test_mail* mail = rig.mail(std::string(200'000, 'x'));
  lsmtpd_test_mail_spill(mail);
  const lsmtpd_call call = rig.send(mail);
  ASSERT_TRUE(rig.until([&] { return rig.raw()->offloaded != nullptr; }));
  ::mallopt(M_PERTURB, 0x55);  // what is read after it was freed is no message
  rig.cancel(call);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_TURN;
  ASSERT_TRUE(rig.until([&] { return rig.raw()->offloaded == nullptr; }));
  rig.turn();
  ::mallopt(M_PERTURB, 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Memory, IsReservedForTheCopiesThatAreMade) {
  Script script;
  script.answer = [](std::size_t, const std::string&) { return Answer{Answer::hold}; };
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "{rcpt_domain}");
  ASSERT_EQ(rig.start(), 0);
  std::string recipients;
  for (int i = 0; i < 100; ++i) recipients += "u" + std::to_string(i) + "@example.org ";
  recipients.pop_back();
  const lsmtpd_call first = rig.send();  // with what the lane keeps
  ASSERT_TRUE(rig.until([&] { return peer.messages().size() == 1; }));
  const std::int64_t before = rig.raw()->memory_used;
  const lsmtpd_call call = rig.send(rig.mail("x\r\n", recipients.c_str()));
  ASSERT_TRUE(rig.until([&] { return peer.messages().size() == 2; }));
  EXPECT_LT(rig.raw()->memory_used, before + 10'000);
  peer.settle_held(Answer{});
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

TEST(Names, OfTwoDaemonsWithOneHostNameDiffer) {
  Peer peer({});
  {
    Rig one;
    one.attach(peer);
  }
  Rig two;
  two.attach(peer);
  const auto attached = peer.attached();
  ASSERT_EQ(attached.size(), 2U);
  EXPECT_NE(attached[0].container, attached[1].container);
  EXPECT_NE(attached[0].name, attached[1].name);
}

TEST(Names, AContainerIdThatIsGivenStaysAndLinksDiffer) {
  Peer peer({});
  for (int i = 0; i < 2; ++i) {
    Rig rig;
    rig.option("container_id", "me").attach(peer);
  }
  const auto attached = peer.attached();
  ASSERT_EQ(attached.size(), 2U);
  EXPECT_EQ(attached[0].container, "me");
  EXPECT_EQ(attached[1].container, "me");
  EXPECT_NE(attached[0].name, attached[1].name);
}

TEST(Names, AreTheSameAfterAReconnect) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  peer.drop();
  rig.turn();
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; }));
  EXPECT_EQ(peer.attached()[0].container, peer.attached()[1].container);
  EXPECT_EQ(peer.attached()[0].name, peer.attached()[1].name);
}

}  // namespace
}  // namespace lsmtpd::amqp::test
