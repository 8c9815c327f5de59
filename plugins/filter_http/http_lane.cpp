// SPDX-License-Identifier: Apache-2.0
#include "http_lane.hpp"

#include <algorithm>

#include "header_edits.hpp"

namespace filter_http {

namespace {

using lsmtpd::common::Decided;
using std::chrono::milliseconds;
constexpr uint64_t kBeforeDeadlineMs = 200;  // the host's; the verdict has to be made

std::string_view phase_name(uint32_t phase) {
  return phase == LSMTPD_PHASE_CONNECT ? "connect" : phase == LSMTPD_PHASE_MAIL ? "mail" : "rcpt";
}

std::string_view verdict_name(uint32_t kind) {
  return kind == LSMTPD_REJECT ? "reject" : kind == LSMTPD_TEMPFAIL ? "tempfail" : "discard";
}

Decided decided_by(uint32_t kind) {
  switch (kind) {
    case LSMTPD_ACCEPT:
      return Decided::accept;
    case LSMTPD_REJECT:
      return Decided::reject;
    case LSMTPD_TEMPFAIL:
      return Decided::tempfail;
    case LSMTPD_DISCARD:
      return Decided::discard;
    default:
      return Decided::proceed;
  }
}

}  // namespace

Lane::Lane(sdk::LaneHost lane_host, Shared& shared)
    : sdk::Lane(std::move(lane_host)),
      shared_(shared),
      settings_(shared.settings),
      decided_(host(), settings_.dry_run,
               {Decided::proceed, Decided::accept, Decided::reject, Decided::tempfail,
                Decided::discard, Decided::error}),
      asking_(host(), shared) {}

milliseconds Lane::timeout_within(uint64_t deadline_ms) const {
  if (deadline_ms == 0) return settings_.timeout;
  const uint64_t left =
      deadline_ms > 2 * kBeforeDeadlineMs ? deadline_ms - kBeforeDeadlineMs : deadline_ms / 2;
  return std::min(settings_.timeout, milliseconds(std::max<uint64_t>(left, 1)));
}

std::string Lane::cache_key(const lsmtpd_envelope& envelope) const {
  std::string key(sdk::view(lsmtpd_recipient_at(&envelope, envelope.recipient_count - 1)->address));
  if (settings_.cache_by == CacheBy::recipient) return key;
  key += '\n';
  key += sdk::view(envelope.reverse_path);
  if (settings_.cache_by == CacheBy::sender_recipient) return key;
  key += '\n';
  key += sdk::view(envelope.peer_address);
  key += '\n';
  key += sdk::view(lsmtpd_auth_user(&envelope));
  return key;
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  const bool cached = event.phase == LSMTPD_PHASE_RCPT && event.envelope->recipient_count > 0;
  if (cached) {
    if (const auto answer = shared_.cache.find(cache_key(*event.envelope), host().now_ms())) {
      if (pretends(*answer, "rcpt")) return call.proceed();
      annotate(host().annotations(event), *answer);
      return give(call, *answer);
    }
  }
  ask_about_session(std::move(call), event);
}

void Lane::ask_about_session(sdk::Call call, const lsmtpd_session_event& event) {
  const auto phase = phase_name(event.phase);
  const std::string key = event.phase == LSMTPD_PHASE_RCPT && event.envelope->recipient_count > 0
                              ? cache_key(*event.envelope)
                              : std::string();
  const lsmtpd_call id = call.id();
  auto body = question_text({phase, event.envelope, event.declared_size, nullptr, {}},
                            host().name(), host().hostname());
  const std::string problem = asking_.ask(
      id, std::move(body), timeout_within(event.deadline_ms),
      [this, id, key, phase, notes = host().annotations(event)](const Outcome& outcome) {
        const auto found = calls_.find(id);
        if (found == calls_.end()) return;
        sdk::Call held = std::move(found->second);
        calls_.erase(found);
        if (!outcome.problem.empty()) return fail(held, outcome.problem);
        if (outcome.answer.kind == LSMTPD_DISCARD)
          return fail(held, "discard is for the end of a message");
        if (!key.empty()) keep(key, outcome.answer);
        if (pretends(outcome.answer, phase)) return held.proceed();
        if (!annotate(notes, outcome.answer)) return fail(held, "no memory for the annotations");
        give(held, outcome.answer);
      });
  if (!problem.empty()) return fail(call, problem);
  calls_.emplace(id, std::move(call));
}

void Lane::keep(const std::string& key, const Answer& answer) {
  const bool ok = answer.kind == LSMTPD_CONTINUE || answer.kind == LSMTPD_ACCEPT;
  const auto time = ok                             ? settings_.cache_ok
                    : answer.kind == LSMTPD_REJECT ? settings_.cache_no
                                                   : milliseconds(0);
  if (time.count() > 0)
    shared_.cache.put(key, answer, host().now_ms() + static_cast<uint64_t>(time.count()));
}

void Lane::message(sdk::Call call, sdk::FilterMessage message) {
  if (!settings_.at_message) return call.proceed();
  if (settings_.max_body == 0) return ask_about_message(std::move(call), std::move(message), {});
  with_content(std::move(call), std::move(message));
}

// The content is read on the pool, where it may lie in a file.
void Lane::with_content(sdk::Call call, sdk::FilterMessage message) {
  const uint64_t size = std::min(message.size(), settings_.max_body);
  auto memory = host().reserve(size);
  if (size > 0 && !memory) return fail(call, "there is no memory for the content");
  const lsmtpd_call id = call.id();
  calls_.emplace(id, std::move(call));
  auto work = [message, size] {
    std::string content;
    return message.read_into(content, size) ? content : std::string();
  };
  auto done = [this, id, message, size, memory = std::move(memory)](const std::string& content) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) return;  // cancelled
    sdk::Call held = std::move(found->second);
    calls_.erase(found);
    if (content.size() != size) return fail(held, "cannot read the message");
    ask_about_message(std::move(held), message, content);
  };
  if (host().offload(std::move(work), std::move(done))) return;
  sdk::Call held = std::move(calls_.at(id));
  calls_.erase(id);
  fail(held, "too much work waits");
}

void Lane::ask_about_message(sdk::Call call, sdk::FilterMessage message, std::string_view content) {
  const lsmtpd_call id = call.id();
  auto body = question_text({"message", &message.envelope(), 0, &message, content}, host().name(),
                            host().hostname());
  const auto deadline = static_cast<uint64_t>(message.deadline().count());
  const std::string problem = asking_.ask(id, std::move(body), timeout_within(deadline),
                                          [this, id, message](const Outcome& outcome) {
                                            const auto found = calls_.find(id);
                                            if (found == calls_.end()) return;
                                            sdk::Call held = std::move(found->second);
                                            calls_.erase(found);
                                            if (!outcome.problem.empty())
                                              return fail(held, outcome.problem);
                                            if (pretends(outcome.answer, "message"))
                                              return held.proceed();
                                            edit_and_give(std::move(held), message, outcome.answer);
                                          });
  if (!problem.empty()) return fail(call, problem);
  calls_.emplace(id, std::move(call));
}

// Header fields are found on the pool, where the message may lie in a file.
void Lane::edit_and_give(sdk::Call call, sdk::FilterMessage message, const Answer& answer) {
  if (!annotate(message.annotations(), answer)) return fail(call, "no memory for the annotations");
  if (!answer.edits_header()) return give(call, answer);
  auto work = [message, answer] { return edit_header(message, answer); };
  auto done = [this, answer, held = std::move(call)](const std::string& problem) mutable {
    if (!problem.empty())
      return held.tempfail("Insufficient system storage, try again later", 452, "4.3.1", problem);
    give(held, answer);
  };
  // Work that cannot be started is dropped, which answers "tempfail".
  (void)host().offload(std::move(work), std::move(done));
}

bool Lane::annotate(const sdk::Annotations& notes, const Answer& answer) const {
  const std::string prefix = std::string(host().name()) + ".";
  return std::all_of(answer.annotations.begin(), answer.annotations.end(),
                     [&](const Pair& pair) { return notes.set(prefix + pair.first, pair.second); });
}

void Lane::give(sdk::Call& call, const Answer& answer) {
  const std::string detail = "the application's verdict";
  switch (answer.kind) {
    case LSMTPD_ACCEPT:
      return call.accept();
    case LSMTPD_REJECT:
      return call.reject(answer.text.empty() ? "Refused by policy" : answer.text, answer.code,
                         answer.enhanced, detail);
    case LSMTPD_TEMPFAIL:
      return call.tempfail(answer.text, answer.code, answer.enhanced, detail);
    case LSMTPD_DISCARD:
      return call.discard(detail);
    default:
      return call.proceed();
  }
}

void Lane::fail(sdk::Call& call, const std::string& problem) {
  decided_.add(Decided::error);
  if (settings_.dry_run || settings_.on_error == OnError::proceed) return call.proceed();
  if (settings_.on_error == OnError::reject) return call.reject({}, 0, {}, problem);
  call.tempfail({}, 0, {}, problem);
}

bool Lane::pretends(const Answer& answer, std::string_view about) {
  decided_.add(decided_by(answer.kind));
  if (!settings_.dry_run) return false;
  if (answer.kind == LSMTPD_CONTINUE || answer.kind == LSMTPD_ACCEPT) return true;
  if (const auto left_out = lines_.admit(host().now_ms()))
    host().info("would refuse", {{"phase", about},
                                 {"verdict", verdict_name(answer.kind)},
                                 {"text", answer.text},
                                 {"left_out", *left_out}});
  return true;
}

void Lane::cancel(lsmtpd_call call) {
  asking_.cancel(call);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  found->second.tempfail({}, 0, {}, "cancelled");
  calls_.erase(found);
}

void Lane::close(sdk::Closed closed) {
  for (auto& [id, call] : calls_) {
    asking_.cancel(id);
    fail(call, "the daemon stops");
  }
  calls_.clear();
  closed();
}

}  // namespace filter_http
