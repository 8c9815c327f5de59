// SPDX-License-Identifier: Apache-2.0
#include "pipeline/session_filters.hpp"

#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

SessionFilters::SessionFilters(std::shared_ptr<const Chain> chain, uint64_t session)
    : chain_(std::move(chain)), session_(session), call_([this] { overdue(); }) {}

SessionFilters::~SessionFilters() {
  call_.abandon(nullptr);
  for (auto* lane : chain_->session_filters) lane->session_closed(session_);
}

void SessionFilters::transaction_ended(const std::string& id, message::TransactionEnd how) {
  for (auto* lane : chain_->session_filters) lane->transaction_ended(session_, id, how);
}

std::optional<SessionFilters::Result> SessionFilters::run(
    message::Phase phase, uint64_t declared_size, std::shared_ptr<const message::Envelope> envelope,
    Finished finished) {
  if (chain_->session_filters.empty()) return Result{};
  phase_ = phase;
  declared_size_ = declared_size;
  envelope_ = std::move(envelope);
  next_ = 0;
  auto result = go_on();
  if (result) {
    envelope_.reset();
  } else {
    finished_ = std::move(finished);
  }
  return result;
}

std::optional<SessionFilters::Result> SessionFilters::go_on() {
  for (; next_ < chain_->session_filters.size(); ++next_) {
    plugin::Lane& lane = *chain_->session_filters[next_];
    if (!(lane.instance().session_filter()->phases & static_cast<uint32_t>(phase_))) continue;
    auto answer = call_.put(
        lane, *chain_->deadlines, lane.instance().settings().deadline_ms,
        [this](Completion completion) {
          answered(call_end(completion.verdict.kind), std::move(completion));
        },
        [&](plugin::Done done, plugin::CallId& call) {
          const plugin::SessionEvent event{.phase = phase_,
                                           .session = session_,
                                           .declared_size = declared_size_,
                                           .envelope = envelope_,
                                           .annotations = annotations_,
                                           .deadline_ms = lane.instance().settings().deadline_ms};
          return lane.decide(event, std::move(done), call);
        });
    if (!answer) return std::nullopt;
    if (auto result = take(call_end(answer->verdict.kind), std::move(*answer))) return result;
  }
  return Result{};
}

// Nothing: this filter lets it pass.
std::optional<SessionFilters::Result> SessionFilters::take(CallEnd ended, Completion completion) {
  const auto& settings = chain_->session_filters[next_]->instance().settings();
  const Next next = decide(Role::session_filter, ended, settings);
  if (completion.annotations) annotations_ = std::move(completion.annotations);
  if (next == Next::go_on) return std::nullopt;
  if (next == Next::skip) return Result{};
  auto& verdict = completion.verdict;
  change_kind(verdict, next == Next::rejected ? Kind::reject : Kind::tempfail);
  return Result{to_reply(verdict, phase_), said_by(settings.name, verdict.detail)};
}

void SessionFilters::cancel() {
  call_.abandon(nullptr);
  envelope_.reset();
  finished_ = nullptr;
}

void SessionFilters::overdue() {
  call_.abandon(nullptr);
  answered(CallEnd::deadline, Completion::make(Kind::tempfail, "its deadline passed"));
}

// An answer that was waited for.
void SessionFilters::answered(CallEnd ended, Completion completion) {
  auto result = take(ended, std::move(completion));
  if (!result) {
    ++next_;
    result = go_on();
  }
  if (!result) return;
  envelope_.reset();  // the session goes on with it, and needs no copy
  std::exchange(finished_, nullptr)(std::move(*result));
}

}  // namespace lsmtpd::pipeline
