// SPDX-License-Identifier: Apache-2.0
// From what the broker said of a message, a channel or a connection to the outcome of a copy. Pure.
#pragma once

#include <sink/copy_outcome.hpp>
#include <string>
#include <string_view>

#include "methods.hpp"

namespace lsmtpd::amqp091 {

using sink::Outcome;

Outcome confirmed();
// basic.nack: the queue is full (overflow = reject-publish), or its process has failed.
Outcome nacked();
// basic.return, which decides, though the broker confirms the message afterwards. `final`: 550
// 5.1.1 instead of a tempfail.
Outcome unroutable(const Returned& returned, bool final);
// Published, and the channel or connection ended before the confirm. `why` begins with the reply
// code where there is one: those of a broker that closes down, or of a target that is gone, do not
// count against the message.
Outcome lost_unconfirmed(std::string_view why);
// 550 5.1.3
Outcome key_too_long(std::size_t octets);

}  // namespace lsmtpd::amqp091
