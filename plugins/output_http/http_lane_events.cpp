// SPDX-License-Identifier: Apache-2.0
// Lane, second part: the ends of its requests.
#include <algorithm>
#include <utility>

#include "http_lane.hpp"

namespace lsmtpd::output_http {

namespace {

bool is_stored(long status) {
  return status >= 200 && status <= 299;
}

}  // namespace

void Lane::request_done(Request& request, CURLcode result) {
  // A refusal counts as soon as its status is there; a 2xx only once all of it is.
  const bool enough = request.exchange.body_too_large() && !is_stored(request.exchange.status());
  if (result == CURLE_OK || enough) {
    answered(request);
  } else if (request.body->broken()) {
    breaker_.abandoned();
    part_done(*request.part, output_http::not_sent("the content could not be read"));
  } else if (request.exchange.body_too_large() || request.exchange.header_too_large()) {
    unread(request, result);
  } else {
    failed(request, result);
  }
  // Those that were overdue are gone without an answer: the breaker says now when to try again.
  if (stall_.stalled() && !stall_.any_overdue()) stall_.reset();
  wake();
}

void Lane::answered(Request& request) {
  reached();
  answered_since_loss_ = true;
  const long status = request.exchange.status();
  Verdict verdict = outcome_of({status, request.exchange.retry_after(), request.exchange.answer()},
                               options_.reject_status, options_.relay_text);
  verdict.outcome.detail += " (" + options_.url + ")";
  note(verdict, status);
  if (verdict.pause > 0) wait_as_asked(verdict.pause);
  part_done(*request.part, std::move(verdict.outcome));
}

// The server is there, but nobody can say what it means.
void Lane::unread(Request& request, CURLcode result) {
  reached();
  const std::string why = request.problem(result);
  if (const auto left_out = shared_.configuration.failed(host().now_ms()))
    host().error("the answer of the server is larger than what is read",
                 {{"url", options_.url}, {"error", why}, {"left_out", *left_out}});
  part_done(*request.part, lost(why, true));
}

void Lane::failed(Request& request, CURLcode result) {
  const std::string why = request.problem(result);
  const std::string step(step_of(request.exchange, result));
  (void)breaker_.failed(host().now_ms());
  up_.set(0);
  failure_ = "server not reached: " + step + ": " + why;
  if (const auto left_out = shared_.reach.failed(host().now_ms()))
    host().warn("the server gives no answer",
                {{"url", options_.url}, {"step", step}, {"error", why}, {"left_out", *left_out}});
  if (request.sent_whole()) {
    flight_.be_careful(flight_.count());
    const bool by_message = std::exchange(answered_since_loss_, false);
    part_done(*request.part, lost(why, !by_message));
  } else {
    part_done(*request.part, output_http::not_sent(failure_));
  }
  if (breaker_.pausing(host().now_ms())) fail_queued(failure_);
}

void Lane::reached() {
  if (breaker_.succeeded()) {
    reconnects_.add();
    up_.set(1);
  }
  if (shared_.reach.answered())
    host().info("the server gives answers again", {{"url", options_.url}});
}

// A line where a kind of failure begins, and one where it is over, unless that repeats itself.
void Lane::note(const Verdict& verdict, long status) {
  switch (verdict.cause) {
    case Cause::none:
      if (verdict.outcome.kind != sink::Kind::stored) return;
      if (shared_.configuration.answered())
        host().info("the server takes the requests again", {{"url", options_.url}});
      if (shared_.server.answered())
        host().info("the server takes messages again", {{"url", options_.url}});
      return;
    case Cause::configuration:
      if (const auto left_out = shared_.configuration.failed(host().now_ms()))
        host().error("the server does not take the requests: look at url, token and server",
                     {{"url", options_.url},
                      {"status", static_cast<std::uint64_t>(status)},
                      {"left_out", *left_out}});
      return;
    case Cause::server:
      if (const auto left_out = shared_.server.failed(host().now_ms()))
        host().warn("the server takes no message for now",
                    {{"url", options_.url},
                     {"status", static_cast<std::uint64_t>(status)},
                     {"retry_after_s", static_cast<std::uint64_t>(verdict.pause)},
                     {"left_out", *left_out}});
      return;
  }
}

// For all workers: each fails what it has queued when it looks the next time.
void Lane::wait_as_asked(std::int64_t seconds) {
  const std::uint64_t until = host().now_ms() + static_cast<std::uint64_t>(seconds) * 1000;
  std::uint64_t known = shared_.resume_ms.load();
  while (known < until && !shared_.resume_ms.compare_exchange_weak(known, until)) {
  }
}

}  // namespace lsmtpd::output_http
