// SPDX-License-Identifier: Apache-2.0
// The one outcome of a message whose recipients took several routes, and each recipient's own.
#pragma once

#include <list>

#include "message/envelope.hpp"
#include "pipeline/outcome.hpp"
#include "pipeline/route_run.hpp"

namespace lsmtpd::pipeline {

// SMTP has one reply for all recipients: tempfail if one route tempfailed, else a refusal if one
// refused, so that 250 is never said while a recipient has nothing. LMTP replies each its own.
// Every route has settled, and is asked once. `asked_for` is the envelope before any filter.
Outcome merged_outcome(std::list<RouteRun>& routes, const message::Envelope& asked_for);

}  // namespace lsmtpd::pipeline
