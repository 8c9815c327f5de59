// SPDX-License-Identifier: Apache-2.0
// One copy of a message on its way to one output, and to that output's fallback when the output
// cannot take it.
//
// Settles exactly once with a verdict of kind stored, reject or tempfail. An output that is
// overdue is left alone, and the fallback stores the copy; while its outcome may still come, Replay
// holds that copy back, and what comes late is put right there: accepted, and the stored copy is
// forgotten; refused, and it is buried.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "message/message.hpp"
#include "pipeline/chain.hpp"

namespace lsmtpd::pipeline {

class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  // `ends_at_ms`: when the chain's deadline passes, by `deadlines`; 0: never.
  Delivery(Deadlines& deadlines, const OutputStep& step, std::string copy_id, uint64_t ends_at_ms);
  ~Delivery();

  // `settled` comes once, perhaps from inside.
  void run(const message::Message& message, std::function<void()> settled);
  // Nobody waits any more: settles as tempfail, if it has not settled yet.
  void give_up(const char* why);

  const plugin::Verdict& verdict() const { return verdict_; }
  const plugin::Lane& speaker() const { return *speaker_; }  // whose verdict it is

 private:
  struct Late;

  void ask(plugin::Lane& lane, std::string target);
  void take(plugin::Completion&& completion);
  void take_primary(plugin::Completion&& completion);
  void take_fallback(plugin::Verdict verdict);
  void overdue();
  void fallback_overdue(const char* why);
  void leave_for_good();
  void leave_to_fallback();
  uint64_t time_for(plugin::Lane& lane) const;
  void use_fallback(plugin::Verdict why);
  void settle(plugin::Verdict verdict, const plugin::Lane& speaker);

  Deadlines& deadlines_;
  const OutputStep& step_;
  const std::string copy_id_;
  const uint64_t ends_at_ms_;
  message::Message message_;
  std::function<void()> settled_;
  plugin::Verdict verdict_;
  plugin::Verdict primary_;  // why the fallback is needed
  const plugin::Lane* speaker_;
  lsmtpd_call call_ = 0;
  bool in_fallback_ = false;
  bool done_ = false;
  Deadlines::Entry deadline_;
  std::shared_ptr<Late> late_;  // set once the output was left alone
};

}  // namespace lsmtpd::pipeline
