// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include <algorithm>
#include <cstring>
#include <proton/sender_options.hpp>
#include <proton/symbol.hpp>
#include <proton/target_options.hpp>

#include "producer.hpp"
#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

// A link that was attached for longer than this is attached again at once.
constexpr std::uint64_t kSettledIn = 5000;

std::string too_many_sessions(std::size_t allowed) {
  return "the broker allows " + std::to_string(allowed) +
         " sessions on a connection (channel-max), and each target takes one; see `links`";
}

}  // namespace

Link::Link(sdk::LaneHost host, const Options& options, Target target, std::string name,
           Connection& connection, Owner& owner)
    : host_(host),
      options_(options),
      target_(std::move(target)),
      name_(std::move(name)),
      connection_(connection),
      owner_(owner),
      own_annotations_(std::string(host.name()) + "."),
      pauses_(1, static_cast<std::uint64_t>(options.reconnect_first.count()),
              static_cast<std::uint64_t>(options.reconnect_last.count())) {}

void Link::attach() {
  if (phase_ == Phase::attaching || phase_ == Phase::attached || !connection_.is_open()) return;
  timer_.cancel();
  const Product& product = connection_.product();
  address_ = target_.by_exchange
                 ? exchange_address(product.broker, target_.exchange, target_.routing_key)
                 : target_.address;
  where_ = to_string(connection_.url()) + " " + address_;
  const std::string lossy =
      lossy_reason(product.broker, {address_, options_.durability, options_.capabilities});
  if (!lossy.empty() && !options_.allow_lossy_target) {
    return pause(lossy + "; see `allow_lossy_target`");
  }
  if (!lossy.empty())
    host_.warn("this target loses messages that it accepted",
               {{"address", address_}, {"why", lossy}});
  if (!owner_.has_session()) {
    if (connection_.ending() != 0) return attach_soon();
    return pause(too_many_sessions(connection_.sessions()));
  }
  const std::string error = open_sender();
  if (!error.empty()) return pause(error);
  phase_ = Phase::attaching;
  timer_ = host_.timer(options_.connect_timeout, [this] { unanswered(); });
  connection_.wake();
}

void Link::attach_soon() {
  phase_ = Phase::waiting;
  connection_.wake();
}

void Link::unanswered() {
  detach();
  pause("no answer to the attach within " + std::to_string(options_.connect_timeout.count()) +
        " ms");
  owner_.attach_unanswered();
}

std::string Link::open_sender() {
  std::vector<proton::symbol> capabilities(options_.capabilities.begin(),
                                           options_.capabilities.end());
  proton::target_options target;
  target.address(address_)
      .durability_mode(static_cast<enum proton::target::durability_mode>(options_.durability))
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
  return {};
}

void Link::enqueue(Part* part) {
  part->link = this;
  (part->job->replay ? replay_ : live_).push_back(part);
}

void Link::forget(Part* part) {
  auto& queue = part->job->replay ? replay_ : live_;
  const auto found = std::find(queue.begin(), queue.end(), part);
  if (found != queue.end()) queue.erase(found);
}

void Link::fail_queued(const Outcome& outcome) {
  for (auto* queue : {&live_, &replay_}) {
    std::deque<Part*> parts;
    parts.swap(*queue);
    for (Part* part : parts) owner_.part_done(*part, outcome);
  }
}

void Link::opened() {
  // A refusal: an attach without a target, and the reason in the detach that follows.
  if (pn_terminus_get_type(pn_link_remote_target(link_)) == PN_UNSPECIFIED) return;
  timer_.cancel();
  phase_ = Phase::attached;
  first_tag_ = next_tag_;
  refusal_.clear();
  attached_at_ = host_.now_ms();
  connection_.proved();
  owner_.link_attached(*this);
  connection_.wake();
}

void Link::closed(std::string_view why) {
  const bool was_attached = phase_ == Phase::attached;
  if (phase_ != Phase::attaching && !was_attached) return;
  const std::string reason(why.empty() ? "the broker detached the link" : why);
  detach();
  lose_sent(reason);
  if (was_attached && host_.now_ms() - attached_at_ >= kSettledIn) {
    host_.info("link detached, attaching it again", {{"address", address_}, {"why", reason}});
    pauses_.succeeded();
    return attach_soon();
  }
  pause(reason);
}

void Link::pause(std::string_view why) {
  phase_ = Phase::paused;
  refusal_ = why;
  const std::uint64_t ms = pauses_.failed(attached_at_ + next_tag_ + host_.now_ms());
  timer_ = host_.timer(std::chrono::milliseconds(ms), [this] { owner_.link_rested(*this); });
  fail_queued(not_sent(refusal_));
  owner_.link_refused(*this, refusal_);
}

void Link::detach() {
  phase_ = Phase::idle;
  if (link_ != nullptr) {
    connection_.end_session(link_, session_);
  }
  link_ = nullptr;
  session_ = nullptr;
  proton_sender_ = {};
  proton_session_ = {};
}

void Link::release() {
  timer_.cancel();
  detach();
}

void Link::connection_lost(std::string_view why) {
  timer_.cancel();
  // The engine may live on for a last word to the broker, and hand out what comes meanwhile.
  for (Part* part : sent_) pn_delivery_set_context(part->delivery, nullptr);
  phase_ = Phase::idle;
  refusal_.clear();
  link_ = nullptr;
  session_ = nullptr;
  proton_sender_ = {};
  proton_session_ = {};
  for (Part* part : sent_) part->delivery = nullptr;
  lose_sent(why);
}

void Link::lose_sent(std::string_view why) {
  current_ = nullptr;
  std::vector<Part*> parts;
  parts.swap(sent_);
  for (Part* part : parts) {
    if (part->delivery != nullptr) pn_delivery_set_context(part->delivery, nullptr);
    part->delivery = nullptr;
    owner_.part_done(*part, lost_unsettled(why));
  }
}

std::uint64_t Link::max_message_size() const {
  return attached() ? pn_link_remote_max_message_size(link_) : 0;
}

std::uint32_t Link::credit() const {
  return attached() ? static_cast<std::uint32_t>(pn_link_credit(link_)) : 0;
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
  const std::string lossy = lossy_reason(connection_.product().broker,
                                         {address_, options_.durability, options_.capabilities});
  if (!lossy.empty()) return out + ", LOSES messages: " + lossy;
  return out + (connection_.product().broker == Broker::unknown
                    ? ", broker unknown: whether it keeps messages is not known"
                    : ", the target keeps messages");
}

}  // namespace lsmtpd::amqp
