// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <sys/socket.h>
#include <set>
#include <string>

#include "io/endpoint.hpp"
#include "io/socket_binding.hpp"

namespace lsmtpd::io {
namespace {

TEST(EndpointTest, ShowsIpv6InBrackets) {
  EXPECT_EQ((Endpoint{"192.0.2.1", 25}.text()), "192.0.2.1:25");
  EXPECT_EQ((Endpoint{"2001:db8::1", 25}.text()), "[2001:db8::1]:25");
}

TEST(BindTest, PortZeroTakesAFreeOneAndOtherWorkersShareIt) {
  const auto first = bind_tcp("127.0.0.1", 0);
  ASSERT_TRUE(first);
  const Endpoint at = local_endpoint(first->get());
  EXPECT_EQ(at.address, "127.0.0.1");
  ASSERT_NE(at.port, 0);
  ASSERT_EQ(::listen(first->get(), 1), 0);
  const auto second = bind_tcp("127.0.0.1", at.port);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(local_endpoint(second->get()).port, at.port);
  EXPECT_EQ(::listen(second->get(), 1), 0);
}

TEST(BindTest, APortThatSomeoneListensOnIsNotFree) {
  const auto other = bind_tcp("127.0.0.1", 0);
  ASSERT_TRUE(other);
  ASSERT_EQ(::listen(other->get(), 1), 0);
  const uint16_t port = local_endpoint(other->get()).port;
  const auto status = try_bind("127.0.0.1", port);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            fmt::format("cannot bind 127.0.0.1:{}: Address already in use", port));
}

TEST(BindTest, TakesIpv6AndEveryAddress) {
  if (const auto v6 = bind_tcp("::1", 0)) {
    EXPECT_EQ(local_endpoint(v6->get()).address, "::1");
  }
  const auto any = bind_tcp("*", 0);
  ASSERT_TRUE(any) << any.error().message;
  EXPECT_NE(local_endpoint(any->get()).port, 0);
}

TEST(BindTest, SaysWhichAddressAndWhy) {
  const auto other = bind_tcp("192.0.2.1", 2525);  // RFC 5737: an address for documentation
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, "cannot bind 192.0.2.1:2525: Cannot assign requested address");
  const auto unknown = bind_tcp("256.256.256.256", 2525);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("cannot resolve 256.256.256.256: "), std::string::npos);
}

// "localhost" has two addresses where IPv6 is on.
TEST(BindTest, TakesEveryAddressOfAName) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  ASSERT_EQ(::getaddrinfo("localhost", nullptr, &hints, &list), 0);
  std::set<std::string> expected;
  for (const addrinfo* at = list; at; at = at->ai_next) {
    char text[INET6_ADDRSTRLEN] = "";
    ::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    if (bind_tcp(text, 0)) expected.insert(text);
  }
  ::freeaddrinfo(list);
  const auto sockets = bind_all("localhost", 0);
  ASSERT_TRUE(sockets) << sockets.error().message;
  std::set<std::string> bound;
  for (const auto& socket : *sockets) {
    bound.insert(local_endpoint(socket.get()).address);
    EXPECT_EQ(local_endpoint(socket.get()).port, local_endpoint(sockets->front().get()).port);
  }
  EXPECT_EQ(bound, expected);
}

}  // namespace
}  // namespace lsmtpd::io
