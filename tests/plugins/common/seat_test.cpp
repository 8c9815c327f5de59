// SPDX-License-Identifier: Apache-2.0
// Which url and which address a connection prefers.
#include <gtest/gtest.h>
#include <netdb.h>

#include <cstring>
#include <map>
#include <random>
#include <string>

#include <sink/seat.hpp>

namespace lsmtpd::sink {
namespace {

Address address(const char* text) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  EXPECT_EQ(::getaddrinfo(text, "5672", &hints, &list), 0) << text;
  Address made;
  std::memcpy(&made.storage, list->ai_addr, list->ai_addrlen);
  made.length = list->ai_addrlen;
  ::freeaddrinfo(list);
  return made;
}

std::string hosts(const std::vector<Address>& addresses) {
  std::string out;
  for (const Address& each : addresses) {
    const std::string text = each.text();
    out += (out.empty() ? "" : " ") + text.substr(0, text.find(' '));
  }
  return out;
}

TEST(Seat, WorkersOfAProcessAreSpreadEvenlyOverTheUrls) {
  for (const std::uint64_t first : {0U, 1U, 5U, 4'294'967'295U}) {
    std::map<std::size_t, int> connections;
    for (std::uint64_t worker = 0; worker < 64; ++worker)
      ++connections[Seat(first + worker).url(3)];
    ASSERT_EQ(connections.size(), 3U);
    for (const auto& [url, count] : connections) EXPECT_TRUE(count == 21 || count == 22) << url;
  }
}

// Twenty processes with one worker each: a third is 6.7; 1 is out of all probability.
TEST(Seat, ProcessesAreSpreadByChance) {
  std::mt19937 random(7);
  std::map<std::size_t, int> connections;
  for (int process = 0; process < 2000; ++process) ++connections[Seat(random()).url(3)];
  ASSERT_EQ(connections.size(), 3U);
  for (const auto& [url, count] : connections) EXPECT_NEAR(count, 667, 80) << url;
  EXPECT_NE(random_seat(), random_seat()) << "equal once in 4 billion";
}

TEST(Seat, TheAnswersOwnOrderDoesNotMatter) {
  const auto a = address("192.0.2.1");
  const auto b = address("192.0.2.2");
  const auto c = address("192.0.2.3");
  EXPECT_EQ(hosts(Seat(0).order({c, a, b}, 1)), "192.0.2.1 192.0.2.2 192.0.2.3");
  EXPECT_EQ(hosts(Seat(1).order({c, a, b}, 1)), "192.0.2.2 192.0.2.3 192.0.2.1");
  EXPECT_EQ(hosts(Seat(1).order({b, c, a}, 1)), "192.0.2.2 192.0.2.3 192.0.2.1");
  EXPECT_EQ(hosts(Seat(2).order({a, b, c}, 1)), "192.0.2.3 192.0.2.1 192.0.2.2");
  EXPECT_EQ(hosts(Seat(3).order({a}, 1)), "192.0.2.1");
  EXPECT_EQ(hosts(Seat(3).order({}, 1)), "");
}

// With two urls of two addresses each, four seats in a row have a place of their own.
TEST(Seat, ThoseOfOneUrlDifferInTheAddress) {
  std::map<std::string, int> places;
  for (std::uint64_t number = 10; number < 18; ++number) {
    const Seat seat(number);
    const auto order = seat.order({address("192.0.2.1"), address("192.0.2.2")}, 2);
    ++places[std::to_string(seat.url(2)) + " " + order.front().text()];
  }
  ASSERT_EQ(places.size(), 4U);
  for (const auto& [place, count] : places) EXPECT_EQ(count, 2) << place;
}

TEST(Seat, TheResolversFirstFamilyStaysTheFirst) {
  const auto four_a = address("192.0.2.1");
  const auto four_b = address("192.0.2.2");
  const auto six_a = address("2001:db8::1");
  const auto six_b = address("2001:db8::2");
  EXPECT_EQ(hosts(Seat(1).order({six_a, four_b, six_b, four_a}, 1)),
            "2001:db8::2 2001:db8::1 192.0.2.2 192.0.2.1");
  EXPECT_EQ(hosts(Seat(0).order({four_b, six_b, six_a, four_a}, 1)),
            "192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2");
}

}  // namespace
}  // namespace lsmtpd::sink
