// SPDX-License-Identifier: Apache-2.0
// Questions to one plugin without a daemon around it: for `lsmtpd try` and `lsmtpd check --live`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugin/lane.hpp"

namespace lsmtpd::app {

using Question = std::function<std::optional<plugin::Completion>(
    plugin::Lane& lane, plugin::Done done, plugin::CallId& call)>;

struct Step {
  Question ask;
  // Gets the answer, and may change it; false ends the conversation. Empty: the next step comes
  // after CONTINUE only.
  std::function<bool(plugin::Completion&)> take = {};
  bool when_ready = false;  // waits first until the plugin's admission says that it is ready
};

// Starts `instance`, opens a lane for worker 0, takes the steps one after the other, and ends all
// of it again. Returns the last answer, or nothing where none came within `deadline_ms`, which
// holds for each step; `problem` says why. Ends the process where the lane does not close. [main]
std::optional<plugin::Completion> ask_alone(plugin::Instance& instance, uint64_t deadline_ms,
                                            const std::vector<Step>& steps, std::string& problem);
std::optional<plugin::Completion> ask_alone(plugin::Instance& instance, uint64_t deadline_ms,
                                            const Question& question, std::string& problem);

}  // namespace lsmtpd::app
