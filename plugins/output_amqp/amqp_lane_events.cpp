// SPDX-License-Identifier: Apache-2.0
// Lane, second part: what its connection and its links tell it, and the probe that only listens to
// that.
#include <proton/delivery.h>

#include <algorithm>

#include "amqp_lane.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::chrono::milliseconds kLasting{1000};

}  // namespace

void Lane::attempt_failed(Step step, std::string_view why) {
  if (probe_) return probe_failed(step, why);
  failure_ = "broker not reached: " + std::string(to_string(step)) + ": " + std::string(why);
  not_reached(step, why);
  if (connection_.all_failed()) fail_queued(failure_);
}

void Lane::not_reached(Step step, std::string_view why) {
  const std::string url = to_string(connection_.tried_url());
  const std::string at(to_string(step));
  shared_.reach.failed(
      host(), {"", at, url + " " + at, url + ": " + std::string(why), waiting_, host().now_ms()});
}

// A link is attached, or the connection has lasted: brokers answer the Open of one that they
// refuse, and close.
void Lane::reached() {
  if (std::exchange(reached_, true)) return;
  reached_timer_.cancel();
  const Product& product = connection_.product();
  shared_.reach.passed(host(), "");
  host().info("connected to the broker", {{"url", to_string(connection_.url())},
                                          {"address", connection_.address()},
                                          {"product", product.name},
                                          {"version", product.version}});
  if (!connection_.passed_over().empty())
    host().warn("addresses of the broker were passed over", {{"why", connection_.passed_over()}});
}

void Lane::connection_open() {
  reached_ = false;
  if (probe_) {
    links_.clear();
    make_fixed();
    if (fixed_ == nullptr) {
      probe_->good(Step::attach, "not tried: the address depends on the message");
      if (probe_->conclude()) probe_next();
    }
    return;
  }
  reached_timer_ = host().timer(kLasting, [this] { reached(); });
  for (auto& [key, link] : links_) link->attach();
}

void Lane::connection_lost(std::string_view why) {
  reached_timer_.cancel();
  if (reached_) {
    host().warn("connection to the broker lost", {{"why", why}, {"unsettled", flight_.count()}});
  } else {
    not_reached(Step::open, why);
  }
  failure_ = "connection to the broker lost: " + std::string(why);
  flight_.lost(flight_.count());
  stalled_ = false;
  stall_timer_.cancel();
  management_.connection_lost();
  for (auto& [key, link] : links_) link->connection_lost(why);
  if (connection_.all_failed()) fail_queued(failure_);
}

bool Lane::refill() {
  bool fed = management_.feed();
  for (auto& [key, link] : links_) fed |= link->feed();
  if (probe_) {
    if (fixed_ != nullptr && fixed_->credit() > 0) probe_attached();
    return false;
  }
  // What the broker still takes of a large message is progress too.
  if (fed) progress_at_ = host().now_ms();
  return fed;
}

void Lane::sender_open(pn_link_t* raw) {
  for (auto& [key, link] : links_) {
    if (link->is(raw)) return link->opened();
  }
}

void Lane::link_closed(pn_link_t* raw, std::string_view why) {
  if (management_.is(raw)) return management_.closed(why);
  for (auto& [key, link] : links_) {
    if (link->is(raw)) return link->closed(why);
  }
}

bool Lane::message_arrived(pn_link_t* link, const proton::message& message) {
  return management_.is(link) && management_.message(message);
}

void Lane::ask_queue(Link& link, const std::string& path) {
  const auto asked = std::find_if(links_.begin(), links_.end(),
                                  [&](const auto& entry) { return entry.second.get() == &link; });
  if (asked == links_.end()) return;
  // The link may be dropped before the answer.
  management_.ask(path, [this, key = asked->first](const QueueFacts& facts) {
    const auto found = links_.find(key);
    if (found != links_.end()) found->second->queue_known(facts);
  });
}

void Lane::session_closed(pn_session_t* session, std::string_view why) {
  if (management_.is(session)) return management_.closed(why);
  for (auto& [key, link] : links_) {
    if (link->is(session)) return link->closed(why);
  }
}

void Lane::delivery_updated(pn_delivery_t* delivery) {
  auto* part = static_cast<Part*>(pn_delivery_get_context(delivery));
  if (part == nullptr) return;
  const std::uint32_t before = flight_.count();
  const bool replay = part->job->replay;
  part->link->settled(*part);
  if (flight_.count() != before) progress(replay);
}

void Lane::link_attached(Link& link) {
  if (!probe_) reached();
  host().info("attached to the target",
              {{"address", link.address()}, {"promises", link.promises()}});
  if (!probe_) return;
  leave_timer_ = host().timer(std::chrono::milliseconds(1000), [this] { probe_attached(); });
}

void Lane::link_refused(Link& link, std::string_view why) {
  if (probe_)
    return probe_failed(Step::attach, std::string(link.address()) + ": " + std::string(why));
  shared_.targets.failed(host(), {link.address(), link.address(), std::string(why),
                                  std::string(why), waiting_, host().now_ms()});
}

// Where no other link works it may be the connection, or this broker.
void Lane::attach_unanswered() {
  const bool works = std::any_of(links_.begin(), links_.end(),
                                 [](const auto& entry) { return entry.second->attached(); });
  if (!works && !probe_) give_up("no answer to an attach");
}

void Lane::link_rested(Link& link) {
  if (&link == fixed_ || !link.idle()) return link.attach();
  host().defer([this, raw = &link] {
    std::erase_if(links_,
                  [raw](const auto& entry) { return entry.second.get() == raw && raw->idle(); });
  });
}

void Lane::probe(sdk::Call call, sdk::ProbeReport report) {
  probe_ =
      std::make_unique<ProbeRun>(std::move(call), report, options_.urls.size(),
                                 [this](std::size_t number) { connection_.start(false, number); });
  host().defer([this] { probe_->go_on(); });
}

void Lane::step_done(Step step, std::string_view text) {
  if (!probe_) return;
  probe_->good(step, step == Step::resolve ? to_string(connection_.url()) + ": " + std::string(text)
                                           : std::string(text));
}

void Lane::probe_failed(Step step, std::string_view why) {
  if (!probe_->conclude()) return;
  probe_->bad(step, to_string(connection_.url()) + ": " + std::string(why));
  probe_next();
}

void Lane::probe_attached() {
  if (!probe_->conclude()) return;
  std::string text = fixed_->address() + ": " + fixed_->promises();
  if (fixed_->credit() == 0)
    text += "; warning: the broker grants no credit, so nothing can be sent now";
  probe_->good(Step::attach, text);
  probe_next();
}

void Lane::probe_next() {
  management_.connection_lost();
  for (auto& [key, link] : links_) link->connection_lost("probed");
  leave_timer_ = host().timer(std::chrono::milliseconds(0),
                              [this] { connection_.shut([this] { probe_->go_on(); }); });
}

}  // namespace lsmtpd::amqp
