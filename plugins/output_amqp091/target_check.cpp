// SPDX-License-Identifier: Apache-2.0
#include "target_check.hpp"

#include <charconv>

namespace lsmtpd::amqp091 {

namespace {

constexpr std::uint16_t kPreconditionFailed = 406;
constexpr std::uint16_t kAccessRefused = 403;

std::string_view field(const Fields& fields, std::string_view key) {
  const auto found = fields.find(key);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

unsigned number_at(std::string_view text) {
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

bool syncs_classic_queues(std::string_view version) {
  const unsigned major = number_at(version);
  const auto dot = version.find('.');
  const unsigned minor = dot == std::string_view::npos ? 0 : number_at(version.substr(dot + 1));
  return major < 3 || (major == 3 && minor < 13);
}

TargetCheck::TargetCheck(const Options& options, std::string exchange, std::string queue,
                         const Fields& server)
    : options_(options),
      exchange_(std::move(exchange)),
      queue_(std::move(queue)),
      rabbitmq_(field(server, "product") == "RabbitMQ"),
      syncs_classic_(!rabbitmq_ || syncs_classic_queues(field(server, "version"))) {
  if (!exchange_.empty()) {
    question_ = Question::exchange;
  } else if (!queue_.empty()) {
    question_ = options_.declare.empty() ? Question::queue_passive : Question::queue_type;
  } else {
    conclude();
  }
}

std::string_view TargetCheck::declared_type() const {
  return options_.declare.empty() ? std::string_view("quorum") : std::string_view(options_.declare);
}

void TargetCheck::answered() {
  // Another broker has no types to ask for.
  if (question_ == Question::queue_passive && rabbitmq_) {
    question_ = Question::queue_type;
    return;
  }
  if (question_ == Question::queue_type)
    type_ = declared_type() == "quorum" ? Type::quorum : Type::classic;
  conclude();
}

// RabbitMQ: "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'mail' in vhost '/':
// received 'quorum' but current is 'classic'".
bool TargetCheck::closed(const Closing& closing) {
  if (question_ != Question::queue_type || !options_.declare.empty()) {
    refusal_ = closing.printed();
    question_ = Question::none;
    return false;
  }
  if (closing.code != kPreconditionFailed && closing.code != kAccessRefused) return false;
  const std::string_view text = closing.text;
  const bool by_type = text.find("'x-queue-type'") != text.npos;
  if (by_type && text.find("'stream'") != text.npos) {
    refusal_ = "the queue is a stream, which confirms before it has synced";
  } else if (by_type) {
    type_ = Type::classic;
  } else if (text.find("arg 'durable'") != text.npos) {
    type_ = Type::transient;
  }
  conclude();
  return true;
}

void TargetCheck::conclude() {
  question_ = Question::none;
  const std::string name = "queue " + queue_;
  if (!refusal_.empty() && !options_.allow_unsynced_target && !options_.allow_lossy_target) {
    refusal_ += "; allow_unsynced_target allows it";
    return;
  }
  refusal_.clear();
  if (type_ == Type::transient) {
    const std::string text = name + " is not durable: it is gone when the broker stops";
    (options_.allow_lossy_target ? warning_ : refusal_) =
        text + (options_.allow_lossy_target ? "" : "; allow_lossy_target allows it");
  } else if (type_ == Type::classic && !syncs_classic_) {
    const bool allowed = options_.allow_unsynced_target || options_.allow_lossy_target;
    const std::string text =
        name +
        " is classic: RabbitMQ 3.13 and later confirm before they sync it, so a power cut "
        "loses mail";
    (allowed ? warning_ : refusal_) =
        text + (allowed ? "" : "; use a quorum queue, or allow_unsynced_target");
  } else if (type_ == Type::unknown && rabbitmq_ && !syncs_classic_) {
    warning_ = (queue_.empty() ? "the queues of exchange \"" + exchange_ + "\"" : name) +
               ": their type cannot be asked; only quorum queues keep a confirmed message over a "
               "power cut";
  }
}

std::string TargetCheck::promises() const {
  switch (type_) {
    case Type::quorum:
      return "a quorum queue: synced by a majority before the confirm";
    case Type::classic:
      return syncs_classic_ ? "a durable classic queue: synced before the confirm"
                            : "a durable classic queue: not synced before the confirm";
    case Type::transient:
      return "a queue that is not durable";
    case Type::unknown:
      break;
  }
  return queue_.empty() ? "its queues cannot be asked for" : "the type of the queue is not known";
}

}  // namespace lsmtpd::amqp091
