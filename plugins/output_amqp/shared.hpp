// SPDX-License-Identifier: Apache-2.0
// What the lanes of one instance share: the options, the brokers' addresses, and the faults that
// the log tells once for all workers. Made and destroyed by the instance, which outlives its lanes.
#pragma once

#include "address_book.hpp"
#include "amqp_options.hpp"
#include "outage.hpp"

namespace lsmtpd::amqp {

struct Shared {
  Options options;
  AddressBook addresses;
  Outage reach{{LSMTPD_LOG_WARN, "broker not reached", "broker still not reached",
                "broker reached again", "step"}};
  Outage targets{{LSMTPD_LOG_ERROR, "the target was refused", "the target is still refused",
                  "the target is no longer refused", "address"}};
};

}  // namespace lsmtpd::amqp
