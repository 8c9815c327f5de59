// SPDX-License-Identifier: Apache-2.0
#include "pipeline/filter_run.hpp"

#include <utility>

#include "pipeline/delivery.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;
using plugin::Verdict;

FilterRun::FilterRun(const std::vector<plugin::Lane*>& filters, Deadlines& deadlines)
    : filters_(filters), deadlines_(deadlines), call_([this] { overdue(); }) {}

std::optional<FilterRun::End> FilterRun::run(message::Message& message, uint64_t ends_at_ms,
                                             const std::shared_ptr<void>& owner,
                                             Finished finished) {
  message_ = &message;
  ends_at_ms_ = ends_at_ms;
  owner_ = owner;
  if (auto end = go_on(owner)) return end;
  finished_ = std::move(finished);
  return std::nullopt;
}

std::optional<FilterRun::End> FilterRun::go_on(const std::shared_ptr<void>& owner) {
  while (next_ < filters_.size()) {
    auto answer = call_.put(
        filter(), deadlines_, filter().instance().settings().deadline_ms,
        [this](Completion completion) {
          const CallEnd ended = call_end(completion.verdict.kind);
          answered(ended, std::move(completion), owner_.lock());
        },
        [this](plugin::Done done, plugin::CallId& call) {
          return filter().filter(*message_, time_left_for(), std::move(done), call);
        },
        owner);
    if (!answer) return std::nullopt;
    const CallEnd ended = call_end(answer->verdict.kind);
    if (auto end = take(ended, std::move(*answer))) return end;
  }
  return End{};
}

// Acts on a filter's answer: nothing: the next filter's turn comes.
std::optional<FilterRun::End> FilterRun::take(CallEnd ended, Completion&& completion) {
  Verdict& verdict = completion.verdict;
  std::string detail = said_by(filter().name(), verdict.detail);
  switch (decide(Role::filter, ended, filter().instance().settings())) {
    case Next::go_on:
      if (completion.message) *message_ = std::move(*completion.message);
      ++next_;
      return std::nullopt;
    case Next::skip:
      if (completion.message) *message_ = std::move(*completion.message);
      return End{.outcome = {}, .skip = true};
    case Next::discarded:
      return End{.outcome = discarded(message_->envelope->id, std::move(detail))};
    case Next::rejected:
      change_kind(verdict, Kind::reject);
      return refused(Fate::rejected, verdict, std::move(detail));
    default:
      change_kind(verdict, Kind::tempfail);
      return refused(Fate::tempfail, verdict, std::move(detail));
  }
}

FilterRun::End FilterRun::refused(Fate fate, const Verdict& verdict, std::string detail) const {
  Outcome outcome{fate, to_reply(verdict, Role::filter), std::move(detail)};
  outcome.reason = verdict.reason();
  outcome.by_filter = true;
  return {.outcome = std::move(outcome)};
}

// An answer that came later, or that stands for one. `owner` lives until `finished_` is told.
void FilterRun::answered(CallEnd ended, Completion&& completion,
                         const std::shared_ptr<void>& owner) {
  auto end = take(ended, std::move(completion));
  if (!end) end = go_on(owner);
  if (end) std::exchange(finished_, nullptr)(std::move(*end), owner);
}

// How long anybody waits for the filter whose turn it is: its own deadline or what is left of the
// chain's; 0: there is no end.
uint64_t FilterRun::time_left_for() const {
  return time_left(filter().instance().settings().deadline_ms, ends_at_ms_, deadlines_.now());
}

void FilterRun::overdue() {
  const auto owner = owner_.lock();
  call_.abandon(nullptr);
  answered(CallEnd::deadline, Completion::make(Kind::tempfail, "its deadline passed"), owner);
}

void FilterRun::chain_overdue() {
  if (!call_.open()) return;
  const auto owner = owner_.lock();
  call_.abandon(nullptr);
  answered(CallEnd::chain_deadline, Completion::make(Kind::tempfail, "timeouts.chain passed"),
           owner);
}

void FilterRun::abandon() {
  call_.abandon(nullptr);
  finished_ = nullptr;
}

}  // namespace lsmtpd::pipeline
