// SPDX-License-Identifier: Apache-2.0
// Brokers that are not reached: which address comes next, lookups, and how the log tells a fault
// that repeats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string unused_url() {
  Peer gone({});
  return gone.url();
}

std::string named(const Peer& peer) {
  return "amqp://broker.example:" + std::to_string(peer.port());
}

TEST(Outage, IsOneLineWhenItBeginsOneAMinuteAndOneWhenItIsOver) {
  std::uint16_t port = 0;
  std::string url;
  {
    Peer gone({});
    port = gone.port();
    url = gone.url();
  }
  Rig rig;
  rig.option("urls", url).option("address", "mail").option("reconnect_last", "1s");
  rig.raw()->workers = 3;
  ASSERT_EQ(rig.start(), 0);
  for (int lane = 1; lane < 3; ++lane) ASSERT_EQ(lsmtpd_test_open_lane(rig.raw()), 0);
  for (int second = 0; second < 130; ++second) {
    rig.turn(4);
    rig.advance(1000);
    if (second == 10) (void)rig.deliver();
  }
  EXPECT_EQ(count(rig.log(), "broker not reached"), 1U) << rig.log();
  EXPECT_EQ(count(rig.log(), "broker still not reached"), 2U) << rig.log();
  EXPECT_THAT(rig.log(), HasSubstr("for_s=60"));
  EXPECT_THAT(rig.log(), HasSubstr("turned_away=1"));
  Script script;
  script.port = port;
  Peer peer(script);
  ASSERT_TRUE(rig.until([&] {
    rig.advance(1000);
    return peer.attached().size() == 3;
  }));
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "broker reached again"); }));
  EXPECT_EQ(count(rig.log(), "broker reached again"), 1U) << rig.log();
}

TEST(Outage, AnotherStepIsSaidToo) {
  Script script;
  script.refuse_open = "amqp:not-allowed";
  Peer peer(script);
  Rig rig;
  rig.option("urls", unused_url()).option("urls", peer.url()).option("address", "mail");
  rig.option("connect_timeout", "10m");  // time runs here independent of the peer's thread
  ASSERT_EQ(rig.start(), 0);
  for (int second = 0; second < 30; ++second) {
    rig.turn(4);
    rig.advance(1000);
  }
  EXPECT_EQ(count(rig.log(), "broker not reached"), 2U) << rig.log();
  EXPECT_THAT(rig.log(), HasSubstr("step=connect"));
  EXPECT_THAT(rig.log(), HasSubstr("step=open"));
}

TEST(Outage, OfATargetIsToldTheSameWay) {
  Script script;
  script.refuse_attach = "amqp:not-found";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("reconnect_last", "1s");
  rig.option("connect_timeout", "10m");
  ASSERT_EQ(rig.start(), 0);
  for (int second = 0; second < 70; ++second) {
    rig.turn(6);
    rig.advance(1000);
  }
  EXPECT_GT(peer.attached().size(), 5U);
  EXPECT_EQ(count(rig.log(), "the target was refused"), 1U) << rig.log();
  EXPECT_EQ(count(rig.log(), "the target is still refused"), 1U) << rig.log();
  peer.change([](Script& change) { change.refuse_attach.clear(); });
  ASSERT_TRUE(rig.until([&] {
    rig.advance(100);
    return rig.admission().ready == 1;
  }));
  (void)rig.send();
  ASSERT_TRUE(rig.until([&] {
    rig.advance(1000);
    return Rig::contains(rig.log(), "the target is no longer refused");
  }));
}

// A target that is refused again and again is not warned of at each try.
TEST(Outage, WarningsOfATargetComeWithItsAttach) {
  Script script;
  script.product = "RabbitMQ";
  script.version = "4.0.5";
  script.refuse_attach = "amqp:not-found";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("exchange", "e").option("reconnect_last", "1s");
  rig.option("connect_timeout", "10m");
  ASSERT_EQ(rig.start(), 0);
  for (int second = 0; second < 20; ++second) {
    rig.turn(6);
    rig.advance(1000);
  }
  EXPECT_GT(peer.attached().size(), 5U);
  EXPECT_EQ(count(rig.log(), "is not known"), 0U);
  peer.change([](Script& change) { change.refuse_attach.clear(); });
  ASSERT_TRUE(rig.until([&] {
    rig.advance(1000);
    return Rig::contains(rig.log(), "attached to the target");
  }));
  EXPECT_EQ(count(rig.log(), "is not known"), 1U);
}

TEST(Address, TheNextOfANameIsTriedWhereTheFirstIsRefused) {
  Peer peer({});
  Rig rig;
  rig.raw()->addresses = "127.0.0.2 127.0.0.1";
  rig.option("spread", "false").option("urls", named(peer)).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(rig.log(), HasSubstr("address=127.0.0.1 port"));
  EXPECT_THAT(rig.log(), HasSubstr("127.0.0.2 port"));
}

// Each address has its part of connect_timeout, at whichever step it hangs.
TEST(Address, HangingAddressLeavesTimeForTheNext) {
  Peer good({});
  Script silent;
  silent.silent = true;
  silent.host = "127.0.0.2";
  silent.port = good.port();
  Peer hangs(silent);
  Rig rig;
  rig.raw()->addresses = "127.0.0.2 127.0.0.1";
  rig.option("spread", "false")
      .option("urls", named(good))
      .option("address", "mail")
      .option("connect_timeout", "4s");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return hangs.connections() == 1; }));
  rig.turn();
  rig.advance(2000);
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "attached to the target"); }));
  EXPECT_THAT(rig.log(), HasSubstr("127.0.0.2 port " + std::to_string(good.port()) +
                                   ": no answer within 2000 ms"));
}

TEST(Address, AddressThatFailedAtOpenIsNotTriedFirstAgain) {
  Peer good({});
  Script refusing;
  refusing.refuse_open = "amqp:not-allowed";
  refusing.host = "127.0.0.2";
  refusing.port = good.port();
  Peer bad(refusing);
  Rig rig;
  rig.raw()->addresses = "127.0.0.2 127.0.0.1";
  rig.option("spread", "false").option("urls", named(good)).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] {
    rig.advance(100);
    return good.attached().size() == 1;
  }));
  good.drop();
  rig.turn();
  rig.advance(1000);
  ASSERT_TRUE(rig.until([&] {
    rig.advance(100);
    return good.attached().size() == 2;
  }));
  EXPECT_EQ(bad.connections(), 1U);
}

TEST(Address, ABrokerByAddressIsReachedWhileTheResolverIsSilent) {
  Peer peer({});
  Rig rig;
  rig.raw()->no_resolve = 1;
  rig.option("urls", "amqp://broker.example").option("urls", peer.url());
  rig.option("spread", "false").option("address", "mail").option("connect_timeout", "3s");
  ASSERT_EQ(rig.start(), 0);
  rig.turn();
  rig.advance(3000);
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "attached to the target"); }));
  EXPECT_THAT(rig.log(), HasSubstr("step=resolve"));
  rig.raw()->no_resolve = 0;
}

TEST(Address, OneLookupServesAllWorkers) {
  Peer peer({});
  Rig rig;
  rig.raw()->no_resolve = 1;
  rig.raw()->addresses = "127.0.0.1";
  rig.raw()->workers = 3;
  rig.option("urls", named(peer)).option("address", "mail").option("connect_timeout", "3s");
  ASSERT_EQ(rig.start(), 0);
  for (int lane = 1; lane < 3; ++lane) ASSERT_EQ(lsmtpd_test_open_lane(rig.raw()), 0);
  for (int second = 0; second < 10; ++second) {
    rig.turn(4);
    rig.advance(1000);
  }
  std::size_t lookups = 0;
  for (const lsmtpd_t_task* task = rig.raw()->resolving; task != nullptr; task = task->next)
    ++lookups;
  EXPECT_EQ(lookups, 1U);
  rig.raw()->no_resolve = 0;
  ASSERT_TRUE(rig.until([&] {
    rig.advance(100);
    return peer.attached().size() == 3;
  }));
}

// A broker that takes PLAIN, as "\0user\0password", and refuses it (part 5, 5.3.3).
Script refusing_passwords() {
  const std::string header("AMQP\x03\x01\x00\x00", 8);
  const std::string mechanisms(
      "\x00\x00\x00\x15\x02\x01\x00\x00\x00\x53\x40\xc0\x08\x01\xa3\x05PLAIN", 21);
  const std::string refused("\x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x44\xc0\x03\x01\x50\x01", 16);
  Script script;
  script.raw = {header + mechanisms, refused, refused};
  return script;
}

// The last password for user "u".
std::string last_password(const Peer& peer) {
  std::string found;
  for (const std::string& bytes : peer.raw_received()) {
    const auto at = bytes.rfind(std::string("\0u\0", 3));
    if (at == std::string::npos || at == 0) continue;
    const auto size = static_cast<unsigned char>(bytes[at - 1]);
    found = bytes.substr(at + 3, size - 3U);
  }
  return found;
}

class Folder {
 public:
  Folder() {
    char pattern[] = "/tmp/lsmtpd-amqp-test-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

TEST(PasswordFile, IsReadAtEachConnectionAndTheOldOneKeptWhereItCannotBe) {
  const Folder folder;
  const std::string path = folder.file("password");
  write(path, "first\n");
  Peer peer(refusing_passwords());
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("username", "u");
  rig.option("password_file", path).option("reconnect_last", "1s");
  ASSERT_EQ(rig.start(), 0);
  const auto next = [&] {
    const std::size_t before = peer.connections();
    (void)rig.until([&] {
      rig.advance(1000);
      return peer.connections() > before + 1;
    });
    return last_password(peer);
  };
  EXPECT_EQ(next(), "first");
  write(path, "second\n");
  EXPECT_EQ(next(), "second");
  std::filesystem::remove(path);
  EXPECT_EQ(next(), "second");
  write(path, "");
  EXPECT_EQ(next(), "second") << "it is being written";
  EXPECT_EQ(count(rig.log(), "gives no password"), 1U) << rig.log();
  write(path, "third\n");
  EXPECT_EQ(next(), "third");
  EXPECT_THAT(rig.log(), Not(HasSubstr("second")));
}

}  // namespace
}  // namespace lsmtpd::amqp::test
