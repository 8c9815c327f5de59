// SPDX-License-Identifier: Apache-2.0
// Puts one question to a plugin on a loop and a lane of their own, and waits for the answer: what
// `try` and `check --live` do. [main]
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "plugin/lane.hpp"

namespace lsmtpd::app {

// One of Lane's functions, with all but `done` and `call` bound.
using Question = std::function<std::optional<plugin::Completion>(
    plugin::Lane& lane, plugin::Done done, lsmtpd_call& call)>;

// Starts `instance` and stops it again. Nothing, and `problem` says why: it cannot be started, has
// no lane, or gave no answer within `deadline_ms`. Where it does not even close its lane then, the
// process ends here: nothing of it may be destroyed while the plugin uses it.
std::optional<plugin::Completion> ask_alone(plugin::Instance& instance, uint64_t deadline_ms,
                                            const Question& question, std::string& problem);

}  // namespace lsmtpd::app
