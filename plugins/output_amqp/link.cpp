// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

// A link that was attached for longer than this is attached again at once.
constexpr std::uint64_t kSettledIn = 5000;

}  // namespace

Link::Link(sdk::LaneHost host, const Options& options, Target target, std::string name,
           Connection& connection, Outlet::Owner& lane, Sessions& sessions)
    : Outlet(std::move(host), lane),
      options_(options),
      target_(std::move(target)),
      name_(std::move(name)),
      connection_(connection),
      sessions_(sessions),
      address_(options.anonymous_terminus ? "the anonymous terminus" : ""),
      pauses_(static_cast<std::uint64_t>(options.reconnect_first.count()),
              static_cast<std::uint64_t>(options.reconnect_last.count())) {}

void Link::opened() {
  // A refusal: an attach without a target, and the reason in the detach that follows.
  if (pn_terminus_get_type(pn_link_remote_target(link_)) == PN_UNSPECIFIED) return;
  timer_.cancel();
  phase_ = Phase::attached;
  first_tag_ = next_tag_;
  refusal_.clear();
  attached_at_ = host_.now_ms();
  connection_.proved();
  warn_of_target();
  sessions_.link_attached(*this);
  connection_.wake();
}

void Link::closed(std::string_view why) {
  const bool was_attached = phase_ == Phase::attached;
  if (phase_ != Phase::attaching && !was_attached) return;
  const std::string reason(why.empty() ? "the broker detached the link" : why);
  forget_deliveries();
  detach();
  lose_sent(reason);
  if (was_attached && host_.now_ms() - attached_at_ >= kSettledIn) {
    host_.info("link detached, attaching it again", {{"address", address_}, {"why", reason}});
    pauses_.succeeded();
    return attach_soon();
  }
  pause(reason);
}

void Link::detach() {
  phase_ = Phase::idle;
  judged_ = false;
  starved_ = false;
  dry_at_ = 0;
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
  forget_deliveries();
  phase_ = Phase::idle;
  judged_ = false;
  starved_ = false;
  dry_at_ = 0;
  refusal_.clear();
  link_ = nullptr;
  session_ = nullptr;
  proton_sender_ = {};
  proton_session_ = {};
  lose_sent(why);
}

// The engine may name them again, and their parts are gone then.
void Link::forget_deliveries() {
  for (const Sent& each : sent_) pn_delivery_set_context(each.delivery, nullptr);
}

void Link::lose_sent(std::string_view why) {
  current_ = nullptr;
  std::vector<Sent> lost;
  lost.swap(sent_);
  for (const Sent& each : lost) lane_.part_done(*each.part, lost_unsettled(why));
}

std::uint64_t Link::max_message_size() const {
  return attached() ? pn_link_remote_max_message_size(link_) : 0;
}

std::uint32_t Link::credit() const {
  return attached() ? static_cast<std::uint32_t>(pn_link_credit(link_)) : 0;
}

}  // namespace lsmtpd::amqp
