// SPDX-License-Identifier: Apache-2.0
// From the protocol header to connection.open-ok (specification, 2.2.4): login, limits, virtual
// host.
//
// begin() once, then method() for each method on channel 0 until it is open or has failed. Appends
// what is to be sent to the buffer it is given. Pure.
#pragma once

#include <cstdint>
#include <sink/step.hpp>
#include <string>
#include <string_view>

#include "methods.hpp"

namespace lsmtpd::amqp091 {

// The login that the options ask for. Views live as long as the Handshake.
struct Login {
  std::string_view mechanisms;  // allowed, in this order, separated by spaces
  std::string_view username;
  std::string_view password;
  std::string_view vhost;
  std::string_view connection_name;  // shown by RabbitMQ's management
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;  // seconds; 0: none
};

class Handshake {
 public:
  enum class Result { going_on, open, failed };

  explicit Handshake(const Login& login) : login_(login) {}

  void begin(std::string* out) { put_protocol_header(out); }
  Result method(Method method, Reader payload, std::string* out);

  // How far it came.
  sink::Step step() const { return phase_ < Phase::opening ? sink::Step::sasl : sink::Step::open; }
  const std::string& error() const { return error_; }
  // Empty before connection.start.
  const std::string& mechanism() const { return mechanism_; }
  const Fields& server() const { return server_; }
  const Tune& tuned() const { return tuned_; }

 private:
  enum class Phase { start, tune, opening, open };

  Result fail(std::string why);
  Result start(Reader payload, std::string* out);
  Result tune(Reader payload, std::string* out);
  std::string response() const;

  Login login_;
  Phase phase_ = Phase::start;
  std::string error_;
  std::string mechanism_;
  Fields server_;
  Tune tuned_;
};

// The first of `allowed` that `offered` has too, both separated by spaces; empty: none.
std::string_view common_mechanism(std::string_view allowed, std::string_view offered);

}  // namespace lsmtpd::amqp091
