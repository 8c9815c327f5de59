// SPDX-License-Identifier: Apache-2.0
#include "pipeline/session_filters.hpp"

#include "lsmtpd/session.h"
#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {

using plugin::Kind;
using plugin::Verdict;

SessionFilters::SessionFilters(const Chain& chain, uint64_t session)
    : chain_(chain), session_(session), deadline_([this] { overdue(); }) {}

SessionFilters::~SessionFilters() {
  if (call_) chain_.sessions[next_]->abandon(call_, nullptr);
  for (auto* lane : chain_.sessions) lane->session_closed(session_);
}

std::optional<SessionFilters::Result> SessionFilters::run(uint32_t phase, uint64_t declared_size,
                                                          const message::Envelope& envelope,
                                                          Finished finished) {
  if (chain_.sessions.empty()) return Result{};
  phase_ = phase;
  declared_size_ = declared_size;
  asked_ = &envelope;
  next_ = 0;
  auto result = go_on();
  if (!result) {
    envelope_ = envelope;
    asked_ = &envelope_;
    finished_ = std::move(finished);
  }
  return result;
}

std::optional<SessionFilters::Result> SessionFilters::go_on() {
  for (; next_ < chain_.sessions.size(); ++next_) {
    plugin::Lane& lane = *chain_.sessions[next_];
    if (!(lane.instance().session()->phases & phase_)) continue;
    auto answer = lane.decide(
        phase_, session_, declared_size_, *asked_,
        [this](plugin::Completion completion) {
          call_ = 0;
          deadline_.disarm();
          answered(std::move(completion.verdict));
        },
        call_);
    if (!answer) {
      chain_.deadlines->arm(deadline_, lane.instance().entry().deadline);
      return std::nullopt;
    }
    if (auto result = take(std::move(answer->verdict))) return result;
  }
  return Result{};
}

// Nothing: this filter lets it pass.
std::optional<SessionFilters::Result> SessionFilters::take(Verdict verdict) {
  const auto& entry = chain_.sessions[next_]->instance().entry();
  if (verdict.kind == Kind::failed) verdict.kind = by_policy(entry.on_error);
  if (verdict.kind == Kind::proceed) return std::nullopt;
  if (verdict.kind != Kind::reject) verdict.kind = Kind::tempfail;
  if (verdict.kind == Kind::reject && verdict.code == 0 && phase_ == LSMTPD_PHASE_RCPT)
    verdict.code = 550;
  return Result{to_reply(verdict, Speaker::filter), said_by(entry.name, verdict.detail)};
}

void SessionFilters::overdue() {
  plugin::Lane& lane = *chain_.sessions[next_];
  lane.abandon(std::exchange(call_, 0), nullptr);
  answered(Verdict::make(by_policy(lane.instance().entry().on_timeout), "its deadline passed"));
}

// An answer that was waited for.
void SessionFilters::answered(Verdict verdict) {
  auto result = take(std::move(verdict));
  if (!result) {
    ++next_;
    result = go_on();
  }
  if (result) std::exchange(finished_, nullptr)(std::move(*result));
}

}  // namespace lsmtpd::pipeline
