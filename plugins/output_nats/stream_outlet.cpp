// SPDX-License-Identifier: Apache-2.0
// StreamOutlet, first part: what it knows of the stream.
#include "stream_outlet.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::nats {

namespace {

// A stream that was ready for longer than this, in milliseconds, is asked for soon when it is
// refused.
constexpr std::uint64_t kSettledIn = 5000;
// The token of an answer about the stream; those about messages have their number only.
constexpr char kQuestion = 'q';

}  // namespace

StreamOutlet::StreamOutlet(sdk::LaneHost host, const Options& options, Connection& connection,
                           Outlet::Owner& lane, Events& events)
    : Outlet(std::move(host), lane),
      options_(options),
      connection_(connection),
      events_(events),
      pauses_(static_cast<std::uint64_t>(options.reconnect_first.count()),
              static_cast<std::uint64_t>(options.reconnect_last.count())) {}

void StreamOutlet::open() {
  if (!connection_.is_open() || (phase_ != Phase::idle && phase_ != Phase::paused)) return;
  phase_ = Phase::asking;
  ask();
}

void StreamOutlet::ask() {
  asked_ = true;
  Publication question;
  question.subject = "$JS.API.STREAM.INFO." + options_.stream;
  question.reply = kQuestion + std::to_string(++question_);
  timer_ = host_.timer(options_.connect_timeout, [this] { no_answer(); });
  connection_.publish(std::move(question));
}

// The connection is given up as well: this is how one is found that is no longer there.
void StreamOutlet::no_answer() {
  asked_ = false;
  const std::string why = "no answer to the question about the stream within " +
                          std::to_string(options_.connect_timeout.count()) + " ms";
  if (phase_ == Phase::asking) pause(why);
  lane_.give_up(why);
}

// Something about a message says that the stream may have changed.
void StreamOutlet::ask_soon() {
  if (phase_ == Phase::ready && !asked_) ask();
}

void StreamOutlet::answered(const Answer& answer) {
  if (answer.token.empty()) return;
  if (answer.token.front() == kQuestion) {
    if (asked_ && answer.token.substr(1) == std::to_string(question_)) learn(answer);
    return;
  }
  const auto found = sent_.find(std::strtoull(answer.token.c_str(), nullptr, 10));
  if (found == sent_.end()) return;
  Part* part = found->second;
  sent_.erase(found);
  PublishAnswer said =
      answer.no_responders ? no_responders() : read_answer(answer.body, options_.stream);
  finish(part, std::move(said.outcome));
  if (said.look_at_stream) ask_soon();
}

void StreamOutlet::learn(const Answer& answer) {
  asked_ = false;
  timer_.cancel();
  if (answer.no_responders) return pause("503: the server has no JetStream");
  check_ = check_stream(answer.body, options_);
  if (!check_.refusal.empty()) return pause(check_.refusal);
  limit_ = std::min(options_.max_message, connection_.server().max_payload);
  if (check_.max_message) limit_ = std::min(limit_, *check_.max_message);
  timer_ = host_.timer(options_.check_interval, [this] { ask_soon(); });
  if (phase_ == Phase::asking) begin_ready();
}

void StreamOutlet::begin_ready() {
  phase_ = Phase::ready;
  ready_at_ = host_.now_ms();
  refusal_.clear();
  where_ = to_string(connection_.url()) + ", " + name();
  if (!check_.warning.empty() && warned_ != check_.warning)
    host_.warn("the target may lose mail", {{"target", name()}, {"why", check_.warning}});
  warned_ = check_.warning;
  events_.stream_ready(*this);
  connection_.wake();
}

// Refused until it is asked for again. The answers to what was published still come.
void StreamOutlet::pause(std::string_view why) {
  const bool settled = ready_at_ != 0 && host_.now_ms() - ready_at_ > kSettledIn;
  ready_at_ = 0;
  if (settled) pauses_.succeeded();
  phase_ = Phase::paused;
  refusal_ = std::string(why);
  const auto rest = std::max<std::uint64_t>(pauses_.failed(0), 1);
  timer_ = host_.timer(std::chrono::milliseconds(rest), [this] { lane_.outlet_rested(*this); });
  if (current_ != nullptr) {
    Part* part = std::exchange(current_, nullptr);
    sent_.erase(building_.number);
    building_ = {};
    finish(part, not_sent(name() + ": " + refusal_));
  }
  fail_queued(not_sent(name() + ": " + refusal_));
  lane_.outlet_refused(*this, refusal_);
}

// The server says nothing more of such a message: "Permissions Violation for Publish to "x"", and
// it names no message.
void StreamOutlet::denied(const std::string& why) {
  if (why.find("$JS.API.") != why.npos || why.find(options_.inbox_prefix + ".") != why.npos) {
    if (phase_ == Phase::asking) pause(why);
    return;
  }
  std::vector<Part*> parts;
  for (auto at = sent_.begin(); at != sent_.end();) {
    const bool meant = at->second != current_ && at->first <= connection_.last_given() &&
                       why.find("\"" + at->second->routing_key + "\"") != why.npos;
    if (meant) parts.push_back(at->second);
    at = meant ? sent_.erase(at) : std::next(at);
  }
  for (Part* part : parts) finish(part, not_permitted(why));
}

void StreamOutlet::connection_lost(std::string_view why) {
  timer_.cancel();
  phase_ = Phase::idle;
  asked_ = false;
  refusal_.clear();
  current_ = nullptr;
  building_ = {};
  const std::uint64_t last = connection_.last_given();
  std::map<std::uint64_t, Part*> lost;
  lost.swap(sent_);
  for (const auto& [number, part] : lost)
    lane_.part_done(*part, number > last ? not_sent(why) : lost_unanswered(why));
}

}  // namespace lsmtpd::nats
