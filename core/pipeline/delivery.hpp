// SPDX-License-Identifier: Apache-2.0
// One copy of a message on its way to one output, and to that output's fallback when the output
// cannot take it.
//
// Settles exactly once with a verdict of kind stored, reject or tempfail. An output that is
// overdue, by its own deadline or the chain's, is left alone, and the fallback stores the copy
// within a deadline of its own; while the output's outcome may still come, Replay holds that copy
// back, and what comes late is put right there: accepted, and the stored copy is forgotten;
// refused, and it is a dead letter.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "message/message.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/decisions.hpp"
#include "plugin/pending_call.hpp"

namespace lsmtpd::pipeline {

// The shorter of `own_ms` and what is left until `ends_at_ms`; for both 0 is no end.
uint64_t time_left(uint64_t own_ms, uint64_t ends_at_ms, uint64_t now_ms);

class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  // `ends_at_ms`: when the chain's deadline passes, by `deadlines`; 0: never.
  Delivery(Deadlines& deadlines, const OutputStep& step, std::string copy_id, uint64_t ends_at_ms);
  ~Delivery();

  // `settled` comes once, perhaps from inside.
  void run(const message::Message& message, std::function<void()> settled);
  // timeouts.chain passed: an output that has not answered is left, to its fallback if it has one.
  void chain_overdue();

  const plugin::Verdict& verdict() const { return verdict_; }
  // Each recipient's own, in the order of the message's envelope; empty: all have verdict().
  const std::vector<plugin::Verdict>& recipients() const { return recipients_; }
  const plugin::Lane& speaker() const { return *speaker_; }  // whose verdict it is
  // Whose verdict that of one recipient is.
  const plugin::Lane& speaker(size_t recipient) const {
    return speakers_.empty() ? *speaker_ : *speakers_[recipient];
  }

 private:
  struct Late;

  void ask(plugin::Lane& lane, plugin::Delivery how);
  void take(Came came, plugin::Completion&& completion);
  bool take_recipients(plugin::Completion& completion);
  const plugin::Lane& merge_recipients(plugin::Verdict& verdict, const plugin::Lane& speaker);
  void take_fallback(plugin::Verdict verdict);
  void overdue(Came which);
  void leave_fallback(const char* why);
  void leave_output(const char* why, Next next);
  void leave_for_good();
  void leave_to_fallback();
  Speaker speaks() const;
  uint64_t time_for_output() const;
  void use_fallback(plugin::Verdict why, uint32_t attempts = 1);
  void settle(plugin::Verdict verdict, const plugin::Lane& speaker);

  Deadlines& deadlines_;
  const OutputStep& step_;
  const std::string copy_id_;
  const uint64_t ends_at_ms_;
  message::Message message_;
  std::function<void()> settled_;
  plugin::Verdict verdict_;
  std::vector<plugin::Verdict> recipients_;
  std::vector<const plugin::Lane*> speakers_;  // of recipients_
  plugin::Verdict primary_;                    // why the fallback is needed
  const plugin::Lane* speaker_;
  bool in_fallback_ = false;
  bool done_ = false;
  plugin::PendingCall call_;
  std::shared_ptr<Late> late_;  // set once the output was left alone
};

}  // namespace lsmtpd::pipeline
