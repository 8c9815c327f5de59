// SPDX-License-Identifier: Apache-2.0
// An answer of an output recipient by recipient: what of the message is left to deliver.
#pragma once

#include <optional>

#include "plugin/calls.hpp"

namespace lsmtpd::pipeline {

// An attempt that failed leaves this to the next one.
struct Rest {
  // The outcome for the rest: stored (there is none), reject (no recipient got tempfail) or
  // tempfail.
  plugin::Kind outcome = plugin::Kind::tempfail;
  // Set where it is not the message as it was: annotated, or with fewer recipients.
  std::optional<message::Message> message = {};
};

// `before` is the message that was delivered. Recipients that have it go. As long as one is put
// off, those that were refused stay with it.
Rest rest_of(const message::Message& before, const plugin::Completion& completion);

// `message` with only those recipients whose place in `keep` is true; each keeps its number.
message::Message with_recipients(const message::Message& message, const std::vector<bool>& keep);

}  // namespace lsmtpd::pipeline
