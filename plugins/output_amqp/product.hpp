// SPDX-License-Identifier: Apache-2.0
// What is known of the brokers: who is at the other end (from the properties of its Open), how it
// writes an exchange or a queue as an address, and which targets lose messages that they accepted.
//
// Used by Connection once the Open arrived, and by Link before each attach. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lsmtpd::amqp {

enum class Broker { unknown, rabbitmq3, rabbitmq4, artemis, broker_j };

struct Product {
  Broker broker = Broker::unknown;
  std::string name;     // as the broker says it
  std::string version;  // the same
};

// `name` and `version` are "product" and "version" of Open.properties; RabbitMQ before 4 says no
// more than its name.
Product identify(std::string_view name, std::string_view version);

// How the target is attached. `durability` is the terminus durability of AMQP 1.0 (3.5.5).
struct Attach {
  std::string address;
  std::uint8_t durability = 1;  // 0 none, 1 configuration, 2 unsettled-state
  std::vector<std::string> capabilities;
};

// The address for an exchange and a routing key; with an empty exchange the queue of that name.
// RabbitMQ 4 wants its second form, percent-encoded; where the product is another there are no
// exchanges but on Broker-J ("E/KEY").
std::string exchange_address(Broker broker, std::string_view exchange, std::string_view key);

// Empty, or why this target is known to lose what it accepts.
std::string lossy_reason(Broker broker, const Attach& attach);

}  // namespace lsmtpd::amqp
