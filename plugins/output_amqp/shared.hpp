// SPDX-License-Identifier: Apache-2.0
// The lanes of one instance share it. Made and destroyed by the instance, which outlives its
// lanes.
#pragma once

#include <sink/broker_lane.hpp>
#include "amqp_options.hpp"

namespace lsmtpd::amqp {

struct Shared : SharedByLanes {
  Options options;
};

}  // namespace lsmtpd::amqp
