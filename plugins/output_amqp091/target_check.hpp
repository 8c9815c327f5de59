// SPDX-License-Identifier: Apache-2.0
// The questions to a target before anything is published to it, and the facts that its confirms
// rest on.
//
// An exchange is declared passively: it must be there; the queues behind it cannot be asked for. A
// queue that a fixed routing key names on the default exchange is declared: with the type that
// `declare` says, or passively and then as a quorum queue, which the broker answers with the type
// it has (406 PRECONDITION_FAILED, which closes the channel). next() says what to send; answered()
// and closed() take the answer. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "amqp091_options.hpp"
#include "methods.hpp"

namespace lsmtpd::amqp091 {

class TargetCheck {
 public:
  enum class Question { none, exchange, queue_passive, queue_type };
  // Of a queue.
  enum class Type { unknown, quorum, classic, transient };

  // `queue` is empty where the routing key varies. `server` are the properties of the broker.
  TargetCheck(const Options& options, std::string exchange, std::string queue,
              const Fields& server);

  Question question() const { return question_; }
  // The type to declare for Question::queue_type.
  std::string_view declared_type() const;
  void answered();
  // The channel was closed for the question. True: that was an answer, ask on with a new channel.
  bool closed(const Closing& closing);

  // Once question() is none. Empty, or why nothing may be published there.
  const std::string& refusal() const { return refusal_; }
  // Empty, or what an operator has to know though it is allowed.
  const std::string& warning() const { return warning_; }
  // For the log: "a durable quorum queue".
  std::string promises() const;

 private:
  void conclude();

  const Options& options_;
  std::string exchange_;
  std::string queue_;
  bool rabbitmq_ = false;
  bool syncs_classic_ = true;  // the broker confirms after it has synced a classic queue
  Question question_ = Question::none;
  Type type_ = Type::unknown;
  std::string refusal_;
  std::string warning_;
};

// RabbitMQ before 3.13 syncs classic queues before it confirms.
bool syncs_classic_queues(std::string_view version);

}  // namespace lsmtpd::amqp091
