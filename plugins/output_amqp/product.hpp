// SPDX-License-Identifier: Apache-2.0
// Facts of the brokers: the product at the other end (from the properties of its Open), its way to
// write an exchange or a queue as an address, and the targets that lose messages they accepted.
//
// Used by Connection once the Open arrived, and by Link before each attach. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lsmtpd::amqp {

enum class Broker { unknown, rabbitmq3, rabbitmq4, artemis, broker_j, classic };

struct Product {
  Broker broker = Broker::unknown;
  std::string name;     // as the broker says it
  std::string version;  // the same
};

// `name` and `version` are "product" and "version" of Open.properties.
Product identify(std::string_view name, std::string_view version);

// How the target is attached. `durability` is the terminus durability of AMQP 1.0 (3.5.5).
struct Attach {
  std::string address;
  std::uint8_t durability = 1;  // 0 none, 1 configuration, 2 unsettled-state
  std::vector<std::string> capabilities;
};

// The facts of a queue that RabbitMQ 4's management gives.
struct QueueFacts {
  std::string type;  // "quorum", "classic", "stream"
  bool durable = true;
  bool drops_head = false;  // full, it drops the oldest messages
  bool missing = false;     // there is no such queue
  std::string unknown;      // empty, or why nothing above is known
};

// The facts against a target. All empty: there are none.
struct Judgement {
  std::string loses;     // why it is known to lose what it accepts
  std::string unsynced;  // why what it accepts does not survive a power cut
  std::string unsure;    // why it is not known whether it does
  std::string rests_on;  // what `accepted` rests on
};

// The address for an exchange and a routing key; with an empty exchange the queue of that name.
// RabbitMQ 4 wants its second form, percent-encoded; where the product is another there are no
// exchanges but on Broker-J ("E/KEY").
std::string exchange_address(Broker broker, std::string_view exchange, std::string_view key);

// RabbitMQ 4: the path of an address's queue in its management; empty for an exchange.
std::string queue_path(std::string_view address);

// From the address and how it is attached.
Judgement judge(const Product& product, const Attach& attach);
// An anonymous terminus takes messages for any address, so no address can be judged.
Judgement judge_anonymous();
// RabbitMQ 4, in addition: from what its management says.
void judge_queue(const QueueFacts& facts, Judgement* judgement);

}  // namespace lsmtpd::amqp
