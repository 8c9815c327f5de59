// SPDX-License-Identifier: Apache-2.0
// AUTH on a connection, with a plugin that answers; TLS is that of a proxy in front.
#include <gtest/gtest.h>

#include "metrics/families.hpp"
#include "proxy_headers.hpp"
#include "server/guesses.hpp"
#include "worker_fixture.hpp"

namespace lsmtpd::server {
namespace {

using std::string_literals::operator""s;
using test::tlv;

TEST(Guesses, TheFirstFailuresAreFree) {
  Guesses guesses;
  for (uint64_t i = 0; i < Guesses::kFree; ++i) {
    EXPECT_EQ(guesses.begin(1000), 0u);
    EXPECT_TRUE(guesses.failed(1000, i));
  }
  EXPECT_EQ(guesses.begin(1000), 1000u);
  EXPECT_EQ(guesses.begin(1000), 2000u) << "one after the other, on however many connections";
}

TEST(Guesses, TheWaitGrowsAndEndsInARefusal) {
  Guesses guesses;
  for (uint64_t i = 0; i < 5; ++i) guesses.failed(1000, i);
  EXPECT_EQ(guesses.begin(1000), 4000u);
  for (uint64_t i = 5; i < 50; ++i) guesses.failed(1000, i);
  EXPECT_EQ(guesses.begin(10'000), 30'000u);
  EXPECT_EQ(guesses.begin(10'000), 60'000u);
  EXPECT_EQ(guesses.begin(10'000), std::nullopt);
  EXPECT_EQ(guesses.begin(40'000), 60'000u);
}

TEST(Guesses, TheSameAgainDoesNotCount) {
  Guesses guesses;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(guesses.failed(1000, 7), i == 0);
  EXPECT_EQ(guesses.begin(1000), 0u);
}

TEST(Guesses, FailuresAreForgottenWithTime) {
  Guesses guesses;
  for (uint64_t i = 0; i < 8; ++i) guesses.failed(1000, i);
  EXPECT_GT(guesses.begin(1000), 0u);
  EXPECT_EQ(guesses.begin(1000 + 2 * Guesses::kHalfLifeMs), 0u);
}

class AuthTest : public WorkerTest {
 protected:
  AuthTest() {
    settings_.listeners[0].proxy_protocol_from = {*parse_network("127.0.0.1")};
    settings_.listeners[0].auth_plugin = "users";
    shared_.metrics = &metrics_;
    step("out", "test_output");
  }
  void serve_with(test::Settings options, uint64_t deadline_ms = 10'000) {
    auto entry = plugin_entry("users", "test_auth", options);
    entry.deadline = deadline_ms;
    use("users", host_.instance(std::move(entry)));
    serve();
  }
  // As through a proxy that has ended TLS.
  std::unique_ptr<Client> connect(const std::string& bits = "\1"s) {
    auto client = std::make_unique<Client>(port_);
    client->send(test::v2(0x21, 0x11, test::inet() + tlv(0x20, bits + "\0\0\0\0"s)));
    client->begin();
    return client;
  }
  // Credentials of PLAIN whose outcome was that.
  double attempts(const std::string& result) {
    const metrics::Snapshot all = metrics_.snapshot();
    for (const auto& [info, series] : all) {
      if (info.name != metrics::kAuthAttempts.name) continue;
      for (const auto& one : series)
        if (one.labels == std::vector<std::string>{"PLAIN", result}) return one.value;
    }
    return -1;
  }
  static std::string plain(const char* user, const char* password) {
    std::string octets = "\0"s + user + "\0"s + password, out;
    static constexpr char kDigits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < octets.size(); i += 3) {
      const size_t left = std::min<size_t>(3, octets.size() - i);
      uint32_t bits = 0;
      for (size_t k = 0; k < 3; ++k)
        bits = bits << 8 | (k < left ? static_cast<uint8_t>(octets[i + k]) : 0);
      for (size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
    }
    return "AUTH PLAIN " + out;
  }
};

TEST_F(AuthTest, TheUserIsInTheProtocol) {
  serve_with({});
  const auto client = connect();
  EXPECT_EQ(client->ask(plain("user", "right")), "235 2.7.0 Authentication successful");
  EXPECT_EQ(client->mail().substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return host_.logged("protocol=ESMTPSA "); }));
}

TEST_F(AuthTest, AnAnswerMayComeLaterAndCommandsWaitForIt) {
  serve_with({{"delay", "30ms"}});
  const auto client = connect();
  client->send(plain("user", "right") + "\r\nMAIL FROM:<a@b.example>\r\n");
  EXPECT_EQ(client->reply().substr(0, 4), "235 ");
  EXPECT_EQ(client->reply().substr(0, 4), "250 ");
}

TEST_F(AuthTest, AFailureIsOneLineWithTheUserWhereItExists) {
  serve_with({});
  const auto client = connect();
  EXPECT_EQ(client->ask(plain("user", "hunter2")), "535 5.7.8 Authentication credentials invalid");
  EXPECT_EQ(client->ask(plain("nobody", "hunter2")).substr(0, 4), "535 ");
  EXPECT_TRUE(eventually([&] { return times_logged("auth_failed peer=192.0.2.1:56324") == 2; }));
  EXPECT_EQ(times_logged("mechanism=PLAIN user=user"), 1u);
  EXPECT_EQ(times_logged("nobody"), 0u);
  EXPECT_EQ(times_logged("hunter2") + times_logged("aHVudGVyMg"), 0u);
}

TEST_F(AuthTest, ThreeGuessesEndAConnectionButNotTheSameOneAgain) {
  serve_with({});
  const auto client = connect();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client->ask(plain("user", "one")).substr(0, 4), "535 ");
  EXPECT_EQ(client->ask(plain("user", "two")).substr(0, 4), "535 ");
  EXPECT_EQ(client->ask(plain("user", "three")),
            "421 4.7.0 Too many failed authentications, closing connection");
  EXPECT_EQ(client->reply(), "");
}

TEST_F(AuthTest, AnotherConnectionOfTheSamePeerHasToWait) {
  serve_with({});
  for (const char* guess : {"one", "two", "three"}) {
    connect()->ask(plain("user", guess));
  }
  const auto client = connect();
  client->send(plain("user", "right") + "\r\n");
  EXPECT_FALSE(client->hears(300));
  EXPECT_EQ(client->reply().substr(0, 4), "235 ");
}

TEST_F(AuthTest, AnExemptPeerDoesNotWaitButEndsAfterThreeGuesses) {
  auto limits = limits_;
  limits.exempt = {*parse_network("192.0.2.1")};
  peers_.set_limits(limits);
  serve_with({});
  for (const char* guess : {"one", "two", "three", "four", "five", "six", "seven"}) {
    connect()->ask(plain("user", guess));
  }
  const auto client = connect();
  EXPECT_EQ(client->ask(plain("user", "right")).substr(0, 4), "235 ");
  const auto other = connect();
  for (const char* guess : {"8", "9"}) EXPECT_EQ(other->ask(plain("user", guess))[0], '5');
  EXPECT_EQ(other->ask(plain("user", "10")).substr(0, 4), "421 ");
}

TEST_F(AuthTest, CredentialsThatCannotBeCheckedNowGet454) {
  serve_with({});
  const auto client = connect();
  EXPECT_EQ(client->ask(plain("user", "later")), "454 4.7.0 Temporary authentication failure");
  EXPECT_EQ(client->ask(plain("user", "nonsense")).substr(0, 4), "454 ");
  EXPECT_TRUE(eventually([&] { return host_.logged("why=\"no users now\""); }));
  EXPECT_TRUE(host_.logged("verdict_makes_no_sense"));
  EXPECT_EQ(client->ask(plain("user", "right")).substr(0, 4), "235 ");
}

TEST_F(AuthTest, AnAnswerThatDoesNotComeIsGivenUpAtTheDeadline) {
  serve_with({}, 150);
  const auto client = connect();
  EXPECT_EQ(client->ask(plain("user", "never")), "454 4.7.0 Temporary authentication failure");
  EXPECT_TRUE(eventually([&] { return host_.logged("cancelled"); }));
  EXPECT_EQ(client->ask("NOOP").substr(0, 4), "250 ");
}

TEST_F(AuthTest, CredentialsWithoutAnAnswerCountAsUnavailable) {
  serve_with({}, 150);
  const auto client = connect();
  EXPECT_EQ(attempts("unavailable"), 0);
  EXPECT_EQ(client->ask(plain("user", "later")).substr(0, 4), "454 ");
  EXPECT_TRUE(eventually([&] { return attempts("unavailable") == 1; })) << "a tempfail";
  EXPECT_EQ(client->ask(plain("user", "never")).substr(0, 4), "454 ");
  EXPECT_TRUE(eventually([&] { return attempts("unavailable") == 2; })) << "a deadline";
  EXPECT_EQ(attempts("ok") + attempts("wrong") + attempts("limited"), 0);
}

TEST_F(AuthTest, CredentialsOfAPeerWithTooManyGuessesCountAsLimited) {
  serve_with({});
  const auto client = connect();
  const auto [admission, peer] = peers_.enter("192.0.2.1");
  ASSERT_EQ(admission, Peers::Admission::yes);
  const uint64_t now = host_.loop.now_ms();
  for (uint64_t i = 0; i < 50; ++i) peer->guesses.failed(now, i);
  while (peer->guesses.begin(now)) {
  }
  EXPECT_EQ(client->ask(plain("user", "right")), "454 4.7.0 Temporary authentication failure");
  EXPECT_TRUE(eventually([&] { return attempts("limited") == 1; }));
  EXPECT_EQ(attempts("ok") + attempts("wrong") + attempts("unavailable"), 0);
  EXPECT_TRUE(eventually(
      [&] { return host_.logged("why=\"too many failed authentications of this peer\""); }));
  peers_.leave(peer);
}

TEST_F(AuthTest, AClientMayGoWhileItWaits) {
  serve_with({{"delay", "200ms"}});
  {
    const auto client = connect();
    client->send(plain("user", "right") + "\r\n");
    client->abort();
  }
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
}

TEST_F(AuthTest, ADrainEndsWhatWaitsForItsTurn) {
  serve_with({});
  for (const char* guess : {"one", "two", "three", "four", "five"}) {
    connect()->send(plain("user", guess) + "\r\n");
    EXPECT_TRUE(eventually([&] { return host_.logged("auth_failed") || peers_.count() > 0; }));
  }
  const auto client = connect();
  client->send(plain("user", "right") + "\r\n");
  EXPECT_FALSE(client->hears(200));
  auto drained = begin_drain();
  EXPECT_EQ(client->reply().substr(0, 4), "454 ");
  EXPECT_EQ(client->reply().substr(0, 4), "421 ");
  client->close();
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(AuthTest, WithoutTlsThereIsNone) {
  settings_.listeners[0].require_auth = true;
  serve_with({});
  const auto client = connect("\0"s);
  EXPECT_EQ(client->ask(plain("user", "right")).substr(0, 10), "538 5.7.11");
  EXPECT_EQ(client->ask("MAIL FROM:<a@b.example>"), "530 5.7.0 Authentication required");
}

}  // namespace
}  // namespace lsmtpd::server
