// SPDX-License-Identifier: Apache-2.0
// One copy of a message on its way to one output, and to that output's fallback when the output
// cannot take it.
//
// Settles exactly once with a verdict of kind stored, reject or tempfail. An output that is
// overdue, by its own deadline or the chain's, is left alone, and the fallback stores the copy
// within a deadline of its own; late_outcome.hpp has what becomes of an outcome that comes later.
#pragma once

#include <memory>
#include <string>

#include "message/message.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/decisions.hpp"
#include "plugin/pending_call.hpp"

namespace lsmtpd::pipeline {

// The shorter of `own_ms` and what is left until `ends_at_ms`; for both 0 is no end.
uint64_t time_left(uint64_t own_ms, uint64_t ends_at_ms, uint64_t now_ms);

class LateOutcome;

class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  // `step`, which keeps its chain, is one of the outputs of `route`.
  // `ends_at_ms`: when the chain's deadline passes, by `deadlines`; 0: never.
  Delivery(Deadlines& deadlines, std::shared_ptr<const OutputStep> step, const Route& route,
           uint64_t ends_at_ms);
  ~Delivery();

  struct Waiting {
    virtual void output_settled() = 0;

   protected:
    ~Waiting() = default;
  };
  // `waiting` is kept and told once, perhaps from inside.
  void run(const message::Message& message, std::shared_ptr<Waiting> waiting);
  // timeouts.chain passed: an output that has not answered is left, to its fallback if it has one.
  void chain_overdue();

  const plugin::Verdict& verdict() const { return verdict_; }
  // Each recipient's own, in the order of the message's envelope; empty: all have verdict().
  const std::vector<plugin::Verdict>& recipients() const { return recipients_; }
  const plugin::Lane& decided_by() const { return *decided_by_; }  // whose verdict it is
  const plugin::Lane& output() const { return *step_->lane; }
  // The fallback that has it, or a part of it; null: none.
  const plugin::Lane* kept_by() const { return fallback_has_it_ ? step_->fallback : nullptr; }
  // Why the output did not take it; empty: it did.
  const std::string& why_not() const;
  // Returns the lane that gave the verdict of one recipient.
  const plugin::Lane& decided_by(size_t recipient) const {
    return decided_by_each_.empty() ? *decided_by_ : *decided_by_each_[recipient];
  }

 private:
  void ask(plugin::Lane& lane, plugin::DeliveryFacts how);
  void take(CallEnd ended, plugin::Completion&& completion);
  bool take_recipients(plugin::Completion& completion);
  const plugin::Lane& merge_recipients(plugin::Verdict& verdict, const plugin::Lane& decided_by);
  void take_fallback(plugin::Verdict&& verdict);
  void overdue(CallEnd which);
  void leave_fallback(const char* why);
  void leave_output(const char* why, Next next);
  void leave_for_good();
  void leave_to_fallback();
  // The message's id where it is the only copy; else names follow, "." before each: of the output,
  // and before it of its route, since another route may have the same output.
  std::string copy_id() const;
  bool is_only_copy() const { return route_.name.empty() && route_.outputs.size() == 1; }
  Role role() const;
  uint64_t time_for_output() const;
  void use_fallback(plugin::Verdict why, uint32_t attempts = 1);
  void settle(plugin::Verdict&& verdict, const plugin::Lane& decided_by);

  Deadlines& deadlines_;
  const std::shared_ptr<const OutputStep> step_;  // keeps its chain
  const Route& route_;
  const uint64_t ends_at_ms_;
  message::Message message_;
  std::shared_ptr<Waiting> waiting_;
  plugin::Verdict verdict_;
  std::vector<plugin::Verdict> recipients_;
  std::vector<const plugin::Lane*> decided_by_each_;  // of recipients_
  plugin::Verdict primary_;                           // why the fallback is needed
  const plugin::Lane* decided_by_;
  bool in_fallback_ = false;
  bool fallback_has_it_ = false;
  bool done_ = false;
  plugin::PendingCall call_;
  std::shared_ptr<LateOutcome> late_;  // set once the output was left alone
};

}  // namespace lsmtpd::pipeline
