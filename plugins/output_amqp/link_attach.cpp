// SPDX-License-Identifier: Apache-2.0
// Link, third part: which target, whether it may be used, and the attach.
#include <proton/codec.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include <proton/sender_options.hpp>
#include <proton/symbol.hpp>
#include <proton/target_options.hpp>

#include "link.hpp"
#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

std::string too_many_sessions(std::size_t allowed) {
  return "the broker allows " + std::to_string(allowed) +
         " sessions on a connection (channel-max), and each target takes one; see `links`";
}

// Broker-J answers `rejected` only where the source lists it, and ends the link otherwise.
void list_outcomes(pn_link_t* link) {
  pn_terminus_set_type(pn_link_source(link), PN_SOURCE);
  pn_data_t* outcomes = pn_terminus_outcomes(pn_link_source(link));
  pn_data_put_array(outcomes, false, PN_SYMBOL);
  pn_data_enter(outcomes);
  for (const std::string_view name :
       {"amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list"})
    pn_data_put_symbol(outcomes, pn_bytes(name.size(), name.data()));
  pn_data_exit(outcomes);
}

}  // namespace

void Link::attach() {
  if (phase_ == Phase::asking || phase_ == Phase::attaching || phase_ == Phase::attached ||
      !connection_.is_open())
    return;
  timer_.cancel();
  if (!sessions_.has_session()) {
    if (connection_.ending() != 0) return attach_soon();
    if (sessions_.asks()) return wait_for_session();
    return pause(too_many_sessions(connection_.sessions()));
  }
  if (!judged_ && !judge_target()) return;
  const std::string refusal = refusal_of_target();
  if (!refusal.empty()) return pause(refusal);
  judged_ = false;
  const std::string error = open_sender();
  if (!error.empty()) return pause(error);
  phase_ = Phase::attaching;
  timer_ = host_.timer(options_.connect_timeout, [this] { unanswered(); });
  connection_.wake();
}

void Link::attach_soon() {
  wait_for_session();
  connection_.wake();
}

// False: the broker is asked first, and queue_known() goes on.
bool Link::judge_target() {
  const Product& product = connection_.product();
  where_ = to_string(connection_.url()) + " ";
  if (options_.anonymous_terminus) {
    judgement_ = judge_anonymous();
    judged_ = true;
    return true;
  }
  address_ = address_of(target_);
  judgement_ = judge(product, {address_, options_.durability, options_.capabilities});
  judged_ = true;
  if (product.broker != Broker::rabbitmq4) return true;
  const std::string path = queue_path(address_);
  if (path.empty()) {
    judgement_.unsure = "the types of the queues behind an exchange cannot be asked";
    return true;
  }
  phase_ = Phase::asking;
  sessions_.ask_queue(*this, path);
  return false;
}

std::string Link::address_of(const Target& target) const {
  return target.by_exchange
             ? exchange_address(connection_.product().broker, target.exchange, target.routing_key)
             : target.address;
}

void Link::queue_known(const QueueFacts& facts) {
  if (phase_ != Phase::asking) return;
  // The broker itself says so where it makes none.
  if (!facts.missing || address_ != queue_path(address_)) judge_queue(facts, &judgement_);
  attach_soon();
}

std::string Link::refusal_of_target() const {
  if (options_.anonymous_terminus && !connection_.offers_anonymous_terminus())
    return "the broker offers no anonymous terminus (ANONYMOUS-RELAY); see `anonymous_terminus`";
  if (options_.allow_lossy_target) return {};
  if (!judgement_.loses.empty()) return judgement_.loses + "; see `allow_lossy_target`";
  if (!judgement_.unsynced.empty() && !options_.allow_unsynced_target)
    return judgement_.unsynced + "; see `allow_unsynced_target` and `allow_lossy_target`";
  return {};
}

void Link::warn_of_target() const {
  const auto warn = [this](const char* message, const std::string& why) {
    if (!why.empty()) host_.warn(message, {{"address", address_}, {"why", why}});
  };
  warn("this target loses messages that it accepted", judgement_.loses);
  warn("what this target accepted does not survive a power cut", judgement_.unsynced);
  warn("whether what this target accepted survives a power cut is not known", judgement_.unsure);
}

void Link::unanswered() {
  detach();
  pause("no answer to the attach within " + std::to_string(options_.connect_timeout.count()) +
        " ms");
  sessions_.attach_unanswered();
}

std::string Link::open_sender() {
  std::vector<proton::symbol> capabilities(options_.capabilities.begin(),
                                           options_.capabilities.end());
  proton::target_options target;
  target.durability_mode(static_cast<enum proton::target::durability_mode>(options_.durability))
      .capabilities(capabilities);
  proton::sender_options sender;
  // Settling is ours: Proton would settle on any state, terminal or not.
  sender.name(name_)
      .auto_settle(false)
      .delivery_mode(proton::delivery_mode::AT_LEAST_ONCE)
      .target(target);
  try {
    proton_session_ = connection_.connection().open_session();
    proton_sender_ = proton_session_.open_sender(address_, sender);
  } catch (const std::exception& error) {
    return error.what();
  }
  session_ = reach(proton_session_);
  link_ = reach(proton_sender_);
  if (options_.anonymous_terminus) pn_terminus_set_address(pn_link_target(link_), nullptr);
  list_outcomes(link_);
  // Nothing comes in here: Transport ends the connection of a broker that sends all the same.
  pn_session_set_incoming_capacity(session_, 0);
  return {};
}

void Link::pause(std::string_view why) {
  phase_ = Phase::paused;
  judged_ = false;
  refusal_ = why;
  const std::uint64_t ms = pauses_.failed(attached_at_ + next_tag_ + host_.now_ms());
  timer_ = host_.timer(std::chrono::milliseconds(ms), [this] { lane_.outlet_rested(*this); });
  fail_queued(not_sent(refusal_));
  lane_.outlet_refused(*this, refusal_);
}

std::string Link::promises() const {
  static constexpr const char* kDurability[] = {"none", "configuration", "unsettled-state"};
  // A number at once: Proton passes on what the broker said, which need not be one of its enum.
  const auto granted =
      static_cast<unsigned>(pn_terminus_get_durability(pn_link_remote_target(link_)));
  const std::uint64_t largest = max_message_size();
  std::string out = "credit " + std::to_string(credit());
  out += ", max-message-size " + (largest == 0 ? std::string("none") : std::to_string(largest));
  out += ", target durability ";
  out += granted < std::size(kDurability) ? kDurability[granted] : std::to_string(granted);
  if (!judgement_.loses.empty()) return out + ", LOSES messages: " + judgement_.loses;
  if (!judgement_.rests_on.empty()) out += ", " + judgement_.rests_on;
  if (!judgement_.unsynced.empty()) return out + ", warning: " + judgement_.unsynced;
  if (!judgement_.unsure.empty()) return out + ", warning: " + judgement_.unsure;
  if (!judgement_.rests_on.empty()) return out;
  return out + (connection_.product().broker == Broker::unknown
                    ? ", broker unknown: whether it keeps messages is not known"
                    : ", nothing known against it");
}

}  // namespace lsmtpd::amqp
