// SPDX-License-Identifier: Apache-2.0
// The one outcome of a message whose recipients took several routes, and each recipient's own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "message/envelope.hpp"
#include "pipeline/outcome.hpp"
#include "pipeline/route_run.hpp"

namespace lsmtpd::pipeline {

// SMTP has one reply for all recipients: tempfail if one route tempfailed, else a refusal if one
// refused, so that 250 is never said while a recipient has nothing. LMTP replies each its own.
// Every route has settled. `asked_for` is the envelope before any filter.
Outcome merged_outcome(const std::vector<std::shared_ptr<RouteRun>>& routes,
                       const message::Envelope& asked_for, const std::string& id);

}  // namespace lsmtpd::pipeline
