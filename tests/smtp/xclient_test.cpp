// SPDX-License-Identifier: Apache-2.0
// XCLIENT: its attributes, and a session that begins anew with another client.
#include "smtp/xclient.hpp"

#include <gtest/gtest.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using smtp::parse_xclient;
using smtp::XclientAttributes;

XclientAttributes parsed(std::string_view argument) {
  XclientAttributes attributes;
  EXPECT_TRUE(parse_xclient(argument, attributes)) << argument;
  return attributes;
}

bool refused(std::string_view argument) {
  XclientAttributes attributes;
  return !parse_xclient(argument, attributes);
}

TEST(Xclient, TakesEveryAttributeInAnyOrder) {
  const auto all = parsed(
      "DESTPORT=25 LOGIN=user DESTADDR=198.51.100.2 PROTO=ESMTP HELO=client.example PORT=4711 "
      "ADDR=192.0.2.7 NAME=host.example");
  EXPECT_EQ(all.name, "host.example");
  EXPECT_EQ(all.address, "192.0.2.7");
  EXPECT_EQ(all.port, 4711);
  EXPECT_EQ(all.extended, true);
  EXPECT_EQ(all.helo, "client.example");
  EXPECT_EQ(all.login, "user");
  EXPECT_EQ(all.local_address, "198.51.100.2");
  EXPECT_EQ(all.local_port, 25);
}

TEST(Xclient, AttributesThatAreNotNamedStayUnset) {
  const auto one = parsed("port=1");
  EXPECT_EQ(one.port, 1);
  EXPECT_FALSE(one.address || one.name || one.helo || one.login || one.extended);
  EXPECT_FALSE(one.local_address || one.local_port);
}

TEST(Xclient, UnavailableIsEmpty) {
  const auto some =
      parsed("NAME=[UNAVAILABLE] ADDR=[unavailable] LOGIN=[TEMPUNAVAIL] PORT=[UNAVAILABLE]");
  EXPECT_EQ(some.name, "");
  EXPECT_EQ(some.address, "");
  EXPECT_EQ(some.login, "");
  EXPECT_EQ(some.port, 0);
}

TEST(Xclient, AddressesAreNormal) {
  EXPECT_EQ(parsed("ADDR=IPV6:2001:DB8:0::1").address, "2001:db8::1");
  EXPECT_EQ(parsed("ADDR=ipv6:::ffff:192.0.2.1").address, "192.0.2.1");
  EXPECT_EQ(parsed("ADDR=2001:db8::1").address, "2001:db8::1");
  for (const char* bad : {"192.0.2", "IPV6:192.0.2.1", "IPV6:", "host.example", "1.2.3.4+00"}) {
    EXPECT_TRUE(refused("ADDR=" + std::string(bad))) << bad;
  }
}

TEST(Xclient, DecodesUpperCaseDigitsOnly) {
  EXPECT_EQ(parsed("LOGIN=user+40example.org").login, "user@example.org");
  EXPECT_EQ(parsed("LOGIN=user+tag").login, "user+tag") << "nginx does not encode";
  EXPECT_EQ(parsed("LOGIN=a+2b+4").login, "a+2b+4");
  EXPECT_EQ(parsed("LOGIN=a+2B").login, "a+");
  EXPECT_EQ(parsed("HELO=[IPv6:::1]").helo, "[IPv6:::1]");
}

TEST(Xclient, WhatIsMalformedIsRefused) {
  for (const char* bad : {"", "ADDR", "ADDR=", "=1", "ADDR=1.2.3.4 ADDR=1.2.3.4",
                          "addr=::1 ADDR=::1", "HOST=x", "PORT=65536", "PORT=-1", "PORT=x",
                          "PROTO=HTTP", "LOGIN=a+0Ab", "NAME=x+00", "HELO=x+FF", "LOGIN=a+09b"}) {
    EXPECT_TRUE(refused(bad)) << bad;
  }
  EXPECT_TRUE(refused("LOGIN=" + std::string(256, 'x')));
}

Host trusted() {
  Host host;
  host.xclient = true;
  return host;
}

TEST(Xclient, IsRefusedWithoutTrust) {
  expect_script(R"(
    S: 220
    C: EHLO c
    S: 250-mx.test
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-DSN
    S: 250-SIZE
    S: 250-LIMITS
    S: 250-VRFY
    S: 250 HELP
    C: XCLIENT ADDR=192.0.2.7
    S: 550 5.7.0 Not authorized to use XCLIENT
    C: MAIL FROM:<a@b>
    S: 250)",
                test_settings());
}

TEST(Xclient, IsOfferedToTheTrustedOnly) {
  const Played played = play_whole(test_settings(), trusted(), "EHLO c\r\n");
  EXPECT_NE(
      played.replies.find("250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"),
      std::string::npos);
}

TEST(Xclient, TheSessionBeginsAnewWithTheClient) {
  const Played played = expect_script(R"(
    S: 220
    C: HELO proxy
    S: 250
    C: MAIL FROM:<old@b>
    S: 250
    C: RCPT TO:<old@d>
    S: 250
    C: XCLIENT ADDR=192.0.2.7 PORT=9 NAME=host.example DESTADDR=198.51.100.2 DESTPORT=25
    S: 220 mx.test ESMTP lsmtpd
    C: RCPT TO:<c@d>
    S: 503
    C: HELO client
    S: 250 mx.test
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: x\r\n.\r\n
    S: 250
    M: x\r\n)",
                                      test_settings(), trusted());
  const message::Envelope& envelope = played.messages.at(0).envelope;
  EXPECT_EQ(envelope.peer_address, "192.0.2.7");
  EXPECT_EQ(envelope.peer_port, 9);
  EXPECT_EQ(envelope.peer_name, "host.example");
  EXPECT_EQ(envelope.local_address, "198.51.100.2");
  EXPECT_EQ(envelope.proxy_address, "192.0.2.1");
  EXPECT_EQ(envelope.helo, "client");
  EXPECT_EQ(envelope.reverse_path, "a@b");
  EXPECT_EQ(envelope.recipients.size(), 1u);
}

// swaks does that.
TEST(Xclient, SeveralInARowAddUp) {
  const Played played = expect_script(R"(
    S: 220
    C: XCLIENT ADDR=IPV6:2001:db8::7 PORT=9
    S: 220
    C: XCLIENT LOGIN=user+tag HELO=client.example PROTO=ESMTP
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: .\r\n
    S: 250
    M: )",
                                      test_settings(), trusted());
  const message::Envelope& envelope = played.messages.at(0).envelope;
  EXPECT_EQ(envelope.peer_address, "2001:db8::7");
  EXPECT_EQ(envelope.peer_port, 9);
  EXPECT_EQ(envelope.helo, "client.example");
  EXPECT_EQ(envelope.protocol, "ESMTPA");
  ASSERT_TRUE(envelope.auth);
  EXPECT_EQ(envelope.auth->user, "user+tag");
}

TEST(Xclient, AnotherAddressHasNoNameAndNoPortOfTheOneBefore) {
  Player player(test_settings(), trusted());
  player.feed("XCLIENT ADDR=192.0.2.7 PORT=9 NAME=host.example\r\nXCLIENT ADDR=192.0.2.8\r\n");
  EXPECT_EQ(player.session().envelope().peer_address, "192.0.2.8");
  EXPECT_EQ(player.session().envelope().peer_port, 0);
  EXPECT_EQ(player.session().envelope().peer_name, "");
  player.feed("XCLIENT ADDR=[UNAVAILABLE] LOGIN=[UNAVAILABLE]\r\n");
  EXPECT_EQ(player.session().envelope().peer_address, "192.0.2.1") << "the proxy's";
  EXPECT_FALSE(player.session().envelope().auth);
}

TEST(Xclient, AFaultChangesNothing) {
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: XCLIENT ADDR=192.0.2.7 ADDR=192.0.2.8
    S: 501 5.5.4 Bad XCLIENT attribute
    C: RCPT TO:<c@d>
    S: 250)",
                test_settings(), trusted());
}

TEST(Xclient, ChunksThatHaveComeAreForgotten) {
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    R: BDAT 3\r\nabc
    S: 250
    C: XCLIENT ADDR=192.0.2.7
    S: 220
    R: BDAT 0 LAST\r\n
    S: 503)",
                test_settings(), trusted());
}

TEST(Xclient, AClientThatIsRefusedAtConnectIsClosed) {
  Host host = trusted();
  host.answer = [](smtp::Action action,
                   const smtp::Session& session) -> std::optional<smtp::Reply> {
    const bool bad = session.envelope().peer_address == "192.0.2.7";
    if (action != smtp::Action::phase_connect || !bad) return {};
    return smtp::Reply{550, "5.7.1", "Go away"};
  };
  expect_script(R"(
    S: 220
    C: XCLIENT ADDR=192.0.2.7
    S: 550 5.7.1 Go away
    X:)",
                test_settings(), host);
}

}  // namespace
}  // namespace lsmtpd::test
