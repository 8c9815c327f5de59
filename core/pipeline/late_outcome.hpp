// SPDX-License-Identifier: Apache-2.0
// The outcome of an overdue output whose copy was left to the fallback. Replay holds the copy back
// until output and fallback have both answered; then it is put right: accepted by the output, and
// the stored copy is forgotten; refused, and it is a dead letter.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pipeline/chain.hpp"
#include "pipeline/replay.hpp"

namespace lsmtpd::pipeline {

class LateOutcome {
 public:
  LateOutcome(std::shared_ptr<const OutputStep> step, std::string copy_id);

  // The output has answered for `message`. Returns its outcome; settle() follows.
  const plugin::Verdict& output_answered(const message::Message& message,
                                         plugin::Completion&& completion);
  void fallback_answered(bool kept);
  // Does nothing until both have answered.
  void settle();

 private:
  const std::shared_ptr<const OutputStep> step_;  // keeps its replay until both have ended
  const std::string copy_id_;
  std::optional<plugin::Verdict> outcome_;      // the output's
  std::optional<Replay::StoredChange> change_;  // of the output, for that copy's replay
  std::optional<bool> kept_;                    // the fallback's: has it a copy?
};

}  // namespace lsmtpd::pipeline
