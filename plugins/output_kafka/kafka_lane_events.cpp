// SPDX-License-Identifier: Apache-2.0
// Lane, third part: what the producer tells.
#include <algorithm>
#include <utility>

#include "kafka_lane.hpp"

namespace lsmtpd::kafka {

namespace {

// Reports that are taken in one turn of the loop.
constexpr std::uint32_t kReportsATurn = 256;

Step step_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__RESOLVE:
      return Step::resolve;
    case RD_KAFKA_RESP_ERR__SSL:
      return Step::tls;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return Step::sasl;
    default:
      return Step::connect;
  }
}

bool is_of_a_connection(rd_kafka_resp_err_t code) {
  return step_of(code) != Step::connect || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
         code == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

std::uint64_t number_of(const rd_kafka_message_t& message) {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(message._private));
}

}  // namespace

std::uint64_t Lane::take(std::unique_ptr<Sending> sending) {
  sending->topic->one_more();
  sendings_.emplace(next_number_, std::move(sending));
  return next_number_++;
}

Sending* Lane::sending(std::uint64_t number) {
  const auto found = sendings_.find(number);
  return found == sendings_.end() ? nullptr : found->second.get();
}

void Lane::drop(std::uint64_t number, Outcome outcome) {
  const auto found = sendings_.find(number);
  if (found == sendings_.end()) return;
  const std::unique_ptr<Sending> gone = std::move(found->second);
  sendings_.erase(found);
  gone->topic->one_less();
  part_done(*gone->part, std::move(outcome));
}

void Lane::ended(std::uint64_t number, Verdict verdict) {
  Sending* found = sending(number);
  if (found == nullptr) return;
  Topic* topic = found->topic;
  if (verdict.cause == Cause::denied) note_denied(verdict.outcome);
  const bool stored = verdict.outcome.kind == Kind::stored;
  if (stored) pauses_.succeeded();
  if (stored && shared_.denied.answered())
    host().info("the brokers take messages of the user again", {{"target", topic->name()}});
  drop(number, std::move(verdict.outcome));
  if (verdict.cause == Cause::changed && phase_ == Phase::open) topic->look_again();
}

void Lane::note_denied(const Outcome& outcome) {
  if (const auto left_out = shared_.denied.failed(host().now_ms()))
    host().error(
        "the user may not write: allow it Write and Describe of the topic",
        {{"username", options_.username}, {"error", outcome.detail}, {"left_out", *left_out}});
}

// Takes events until there is none, or this turn has had enough of them.
void Lane::drain() {
  std::uint32_t budget = kReportsATurn;
  while (budget != 0 && handle_ != nullptr) {
    if (event_ != nullptr) {
      reports(&budget);
      continue;
    }
    rd_kafka_event_t* event = handle_->poll();
    if (event == nullptr) break;
    --budget;
    handle(event);
  }
  if (phase_ == Phase::retiring && sendings_.empty()) return retired();
  if (budget == 0 && !std::exchange(draining_, true))
    host().defer([this] {
      draining_ = false;
      drain();
    });
  // Those that were overdue are gone without an outcome.
  if (stall_.stalled() && !stall_.any_overdue()) stall_.reset();
  wake();
}

void Lane::handle(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
      event_ = event;
      return;
    case RD_KAFKA_EVENT_ERROR: {
      const auto code = rd_kafka_event_error(event);
      const char* text = rd_kafka_event_error_string(event);
      // As an event a fatal error has the code of its cause, not RD_KAFKA_RESP_ERR__FATAL.
      if (rd_kafka_event_error_is_fatal(event)) {
        fatal_error(code, text);
      } else {
        error(code, text);
      }
      break;
    }
    case RD_KAFKA_EVENT_LOG: {
      const char *facility = "", *text = "";
      int level = 0;
      if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
        host().debug("librdkafka",
                     {{"facility", std::string_view(facility)}, {"text", std::string_view(text)}});
      break;
    }
    default:
      break;
  }
  rd_kafka_event_destroy(event);
}

void Lane::reports(std::uint32_t* budget) {
  for (; *budget != 0; --*budget) {
    const rd_kafka_message_t* message = rd_kafka_event_message_next(event_);
    if (message == nullptr) {
      rd_kafka_event_destroy(std::exchange(event_, nullptr));
      return;
    }
    report(*message);
  }
}

void Lane::report(const rd_kafka_message_t& message) {
  Delivered delivered;
  delivered.error = message.err;
  delivered.status = rd_kafka_message_status(&message);
  delivered.topic = message.rkt != nullptr ? rd_kafka_topic_name(message.rkt) : "";
  delivered.partition = message.partition;
  delivered.offset = message.offset;
  ended(number_of(message), outcome_of(delivered));
}

// The producer takes nothing more.
void Lane::fatal_error(rd_kafka_resp_err_t code, const std::string& text) {
  if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
    note_denied(sink::tempfail(451, "4.3.0", "", text));
  }
  replace(std::string("fatal error: ") + rd_kafka_err2name(code) + ": " + text);
}

void Lane::error(rd_kafka_resp_err_t code, const std::string& text) {
  if (is_of_a_connection(code)) {
    last_error_ = text;
    failed_step_ = step_of(code);
    if (failed_step_ == Step::sasl) renew_password();
  }
  const bool all_down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
  if (phase_ == Phase::open && all_down) return lost(last_error_.empty() ? text : last_error_);
  if (phase_ == Phase::reaching && (all_down || failed_step_ == Step::sasl)) not_reached(text);
}

void Lane::renew_password() {
  const std::string before = given_password_;
  given_password_ = password_.renew(host());
  if (given_password_ != before) handle_->set_password(options_.username, given_password_);
}

// Its outcome may come late; until then new mail goes elsewhere.
void Lane::stall_begins() {
  host().warn(
      "the broker has not answered within the deadline",
      {{"brokers", std::string_view(options_.brokers.front())}, {"unsettled", flight_.count()}});
  up_.set(0);
  fail_queued("the brokers do not answer");
}

void Lane::stall_ends() {
  host().info("the broker answers again",
              {{"brokers", std::string_view(options_.brokers.front())}});
  up_.set(phase_ == Phase::open ? 1 : 0);
}

void Lane::stalled_for_too_long() {
  replace("no outcome for messages that are overdue");
}

void Lane::outlet_refused(Outlet& outlet, std::string_view why) {
  if (probing()) return probe_failed(Step::attach, outlet.name() + ": " + std::string(why));
  shared_.targets.failed(host(), {outlet.name(), outlet.name(), std::string(why), std::string(why),
                                  waiting_, host().now_ms()});
}

void Lane::outlet_rested(Outlet& outlet) {
  if (&outlet == only_ || !outlet.idle()) return outlet.open();
  host().defer([this, raw = &outlet] {
    std::erase_if(topics_,
                  [raw](const auto& entry) { return entry.second.get() == raw && raw->idle(); });
  });
}

}  // namespace lsmtpd::kafka
