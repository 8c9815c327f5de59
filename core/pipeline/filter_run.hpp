// SPDX-License-Identifier: Apache-2.0
// The message filters of a chain or of a route, asked one after the other about one message. [loop]
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "message/message.hpp"
#include "pipeline/decisions.hpp"
#include "pipeline/outcome.hpp"
#include "plugin/pending_call.hpp"

namespace lsmtpd::pipeline {

class FilterRun {
 public:
  struct End {
    std::optional<Outcome> outcome = {};  // refused or discarded; nothing: the message goes on
    bool skip = false;                    // a filter said ACCEPT: no filter that is left is asked
  };
  // `owner` is that of run().
  using Finished = std::function<void(End, const std::shared_ptr<void>& owner)>;

  // `filters` and `deadlines` outlive it. `ends_at_ms`: when timeouts.chain passes; 0: never.
  FilterRun(const std::vector<plugin::Lane*>& filters, Deadlines& deadlines);

  // Once. Each filter gets `message` as the one before left it. Returns the end, or nothing: then
  // `finished` gets it later, once, unless abandon() comes before. `owner` keeps this and `message`
  // alive meanwhile.
  std::optional<End> run(message::Message& message, uint64_t ends_at_ms,
                         const std::shared_ptr<void>& owner, Finished finished);
  // timeouts.chain passed while run() had not ended: `finished` is told at once.
  void chain_overdue();
  // Ends the question that is open; `finished` is not told.
  void abandon();

 private:
  std::optional<End> go_on(const std::shared_ptr<void>& owner);
  std::optional<End> take(CallEnd ended, plugin::Completion&& completion);
  End refused(Fate fate, const plugin::Verdict& verdict, std::string detail) const;
  void answered(CallEnd ended, plugin::Completion&& completion, const std::shared_ptr<void>& owner);
  void overdue();
  uint64_t time_left_for() const;
  plugin::Lane& filter() const { return *filters_[next_]; }

  const std::vector<plugin::Lane*>& filters_;
  Deadlines& deadlines_;
  message::Message* message_ = nullptr;
  uint64_t ends_at_ms_ = 0;
  Finished finished_;
  std::weak_ptr<void> owner_;
  size_t next_ = 0;
  plugin::PendingCall call_;
};

}  // namespace lsmtpd::pipeline
