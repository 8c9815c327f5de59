// SPDX-License-Identifier: Apache-2.0
// Login, limits and virtual host, octet by octet.
#include "handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frame_reader.hpp"

namespace lsmtpd::amqp091 {
namespace {

using testing::HasSubstr;

std::string start_payload(const std::string& mechanisms) {
  std::string payload;
  Writer writer(&payload);
  writer.octet(0);
  writer.octet(9);
  Table server;
  server.text("product", "RabbitMQ");
  server.write(writer);
  writer.long_string(mechanisms);
  writer.long_string("en_US");
  return payload;
}

std::string tune_payload(unsigned channels, std::uint32_t frame_max, unsigned heartbeat) {
  std::string payload;
  Writer writer(&payload);
  writer.u16(channels);
  writer.u32(frame_max);
  writer.u16(heartbeat);
  return payload;
}

Login login(std::string_view mechanisms) {
  Login login;
  login.mechanisms = mechanisms;
  login.username = "user";
  login.password = "secret";
  login.vhost = "/";
  login.frame_max = 131072;
  login.heartbeat = 30;
  return login;
}

TEST(Handshake, TakesTheFirstMechanismThatBothHave) {
  EXPECT_EQ(common_mechanism("EXTERNAL PLAIN", "AMQPLAIN PLAIN"), "PLAIN");
  EXPECT_EQ(common_mechanism("PLAIN", "PLAINTEXT AMQPLAIN"), "");
  EXPECT_EQ(common_mechanism("PLAIN AMQPLAIN", "AMQPLAIN PLAIN"), "PLAIN");
}

TEST(Handshake, NamesBothListsWhereNoneIsCommon) {
  Handshake handshake(login("EXTERNAL"));
  std::string out;
  const std::string payload = start_payload("PLAIN AMQPLAIN");
  EXPECT_EQ(handshake.method(Method::connection_start, Reader(payload), &out),
            Handshake::Result::failed);
  EXPECT_THAT(handshake.error(), HasSubstr("PLAIN AMQPLAIN; allowed here: EXTERNAL"));
  EXPECT_EQ(handshake.step(), sink::Step::sasl);
}

TEST(Handshake, TakesTheSmallerLimitsAndZeroIsNone) {
  struct Case {
    std::uint32_t theirs_frame;
    unsigned theirs_beat;
    std::uint32_t frame;
    unsigned beat;
  };
  for (const Case& each :
       {Case{0, 0, 131072, 30}, Case{8192, 60, 8192, 30}, Case{1 << 20, 10, 131072, 10}}) {
    Handshake handshake(login("PLAIN"));
    std::string out;
    const std::string start = start_payload("PLAIN");
    const std::string tune = tune_payload(2047, each.theirs_frame, each.theirs_beat);
    ASSERT_EQ(handshake.method(Method::connection_start, Reader(start), &out),
              Handshake::Result::going_on);
    ASSERT_EQ(handshake.method(Method::connection_tune, Reader(tune), &out),
              Handshake::Result::going_on);
    EXPECT_EQ(handshake.tuned().frame_max, each.frame);
    EXPECT_EQ(handshake.tuned().heartbeat, each.beat);
    EXPECT_EQ(handshake.method(Method::connection_open_ok, Reader(""), &out),
              Handshake::Result::open);
  }
}

TEST(Handshake, AMethodOutOfTurnIsNoBroker) {
  for (const Method method : {Method::connection_tune, Method::connection_open_ok,
                              Method::connection_secure, Method::basic_ack}) {
    Handshake handshake(login("PLAIN"));
    std::string out;
    EXPECT_EQ(handshake.method(method, Reader(""), &out), Handshake::Result::failed);
  }
}

TEST(Handshake, AmqplainIsATableWithoutItsLength) {
  Handshake handshake(login("AMQPLAIN"));
  std::string out;
  const std::string payload = start_payload("AMQPLAIN");
  handshake.method(Method::connection_start, Reader(payload), &out);
  EXPECT_THAT(out,
              HasSubstr(std::string("\x05LOGINS\0\0\0\x04user\x08PASSWORDS\0\0\0\x06secret", 32)));
}

}  // namespace
}  // namespace lsmtpd::amqp091
