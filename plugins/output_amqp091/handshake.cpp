// SPDX-License-Identifier: Apache-2.0
#include "handshake.hpp"

#include <algorithm>

namespace lsmtpd::amqp091 {

namespace {

// A broker may not ask for less (specification, 1.4.2.6).
constexpr std::uint32_t kSmallestFrameMax = 4096;

// 0 is no limit.
template <class Number>
Number smaller(Number ours, Number theirs) {
  if (theirs == 0) return ours;
  return ours == 0 ? theirs : std::min(ours, theirs);
}

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto space = list.find(' ');
    if (list.substr(0, space) == word) return true;
    list.remove_prefix(space == std::string_view::npos ? list.size() : space + 1);
  }
  return false;
}

}  // namespace

std::string_view common_mechanism(std::string_view allowed, std::string_view offered) {
  while (!allowed.empty()) {
    const auto space = allowed.find(' ');
    const std::string_view word = allowed.substr(0, space);
    if (has_word(offered, word)) return word;
    allowed.remove_prefix(space == std::string_view::npos ? allowed.size() : space + 1);
  }
  return {};
}

Handshake::Result Handshake::fail(std::string why) {
  error_ = std::move(why);
  return Result::failed;
}

Handshake::Result Handshake::method(Method method, Reader payload, std::string* out) {
  if (method == Method::connection_start && phase_ == Phase::start) return start(payload, out);
  if (method == Method::connection_tune && phase_ == Phase::tune) return tune(payload, out);
  if (method == Method::connection_open_ok && phase_ == Phase::opening) {
    phase_ = Phase::open;
    return Result::open;
  }
  if (method == Method::connection_close) return fail(read_closing(payload).printed());
  if (method == Method::connection_secure)
    return fail("the broker asks for more than " + mechanism_ + " has to say");
  return fail("the broker sent a method out of turn");
}

Handshake::Result Handshake::start(Reader payload, std::string* out) {
  Start start = read_start(payload);
  server_ = std::move(start.server);
  mechanism_ = std::string(common_mechanism(login_.mechanisms, start.mechanisms));
  if (mechanism_.empty()) {
    return fail("no common mechanism: the broker offers " + start.mechanisms +
                "; allowed here: " + std::string(login_.mechanisms));
  }
  Table capabilities;
  // A refused login is a method instead of the socket's end; an alarm is a method instead of
  // silence.
  capabilities.boolean("authentication_failure_close", true);
  capabilities.boolean("connection.blocked", true);
  capabilities.boolean("publisher_confirms", true);
  capabilities.boolean("basic.nack", true);
  Table client;
  client.text("product", "lsmtpd");
  client.text("connection_name", login_.connection_name);
  client.table("capabilities", capabilities);
  put_start_ok(out, client, mechanism_, response());
  phase_ = Phase::tune;
  return Result::going_on;
}

std::string Handshake::response() const {
  std::string text;
  if (mechanism_ == "PLAIN") {  // RFC 4616
    text.append(1, '\0').append(login_.username).append(1, '\0').append(login_.password);
  } else if (mechanism_ == "AMQPLAIN") {  // a table without its length
    Table table;
    table.text("LOGIN", login_.username);
    table.text("PASSWORD", login_.password);
    table.write(Writer(&text));
    text.erase(0, 4);
  }
  return text;
}

Handshake::Result Handshake::tune(Reader payload, std::string* out) {
  const Tune theirs = read_tune(payload);
  tuned_.channel_max = theirs.channel_max;
  tuned_.frame_max = smaller(login_.frame_max, theirs.frame_max);
  tuned_.heartbeat =
      login_.heartbeat == 0 ? theirs.heartbeat : smaller(login_.heartbeat, theirs.heartbeat);
  if (tuned_.frame_max < kSmallestFrameMax)
    return fail("the broker takes frames of " + std::to_string(theirs.frame_max) +
                " octets only, less than 4096");
  put_tune_ok(out, tuned_);
  put_open(out, login_.vhost);
  phase_ = Phase::opening;
  return Result::going_on;
}

}  // namespace lsmtpd::amqp091
