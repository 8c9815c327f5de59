// SPDX-License-Identifier: Apache-2.0
#include "pipeline/session_filters.hpp"

#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

SessionFilters::SessionFilters(const Chain& chain, uint64_t session)
    : chain_(chain), session_(session), call_([this] { overdue(); }) {}

SessionFilters::~SessionFilters() {
  call_.abandon(nullptr);
  for (auto* lane : chain_.sessions) lane->session_closed(session_);
}

void SessionFilters::transaction_ended(const std::string& id, message::TransactionEnd how) {
  for (auto* lane : chain_.sessions) lane->transaction_ended(session_, id, how);
}

std::optional<SessionFilters::Result> SessionFilters::run(message::Phase phase,
                                                          uint64_t declared_size,
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
    if (!(lane.instance().session()->phases & static_cast<uint32_t>(phase_))) continue;
    auto answer = call_.put(
        lane, *chain_.deadlines, lane.instance().settings().deadline_ms,
        [this](Completion completion) {
          answered(came_of(completion.verdict.kind), std::move(completion));
        },
        [&](plugin::Done done, plugin::CallId& call) {
          const plugin::SessionEvent event{.phase = phase_,
                                           .session = session_,
                                           .declared_size = declared_size_,
                                           .envelope = asked_,
                                           .annotations = annotations_,
                                           .deadline_ms = lane.instance().settings().deadline_ms};
          return lane.decide(event, std::move(done), call);
        });
    if (!answer) return std::nullopt;
    if (auto result = take(came_of(answer->verdict.kind), std::move(*answer))) return result;
  }
  return Result{};
}

// Nothing: this filter lets it pass.
std::optional<SessionFilters::Result> SessionFilters::take(Came came, Completion completion) {
  const auto& settings = chain_.sessions[next_]->instance().settings();
  const Next next = decide(Speaker::session_filter, came, settings);
  if (completion.annotations) annotations_ = std::move(completion.annotations);
  if (next == Next::go_on) return std::nullopt;
  if (next == Next::skip) return Result{};
  auto& verdict = completion.verdict;
  change_kind(verdict, next == Next::rejected ? Kind::reject : Kind::tempfail);
  return Result{to_reply(verdict, phase_), said_by(settings.name, verdict.detail)};
}

void SessionFilters::overdue() {
  call_.abandon(nullptr);
  answered(Came::deadline, Completion::make(Kind::tempfail, "its deadline passed"));
}

// An answer that was waited for.
void SessionFilters::answered(Came came, Completion completion) {
  auto result = take(came, std::move(completion));
  if (!result) {
    ++next_;
    result = go_on();
  }
  if (result) std::exchange(finished_, nullptr)(std::move(*result));
}

}  // namespace lsmtpd::pipeline
