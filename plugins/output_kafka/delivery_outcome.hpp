// SPDX-License-Identifier: Apache-2.0
// From a delivery report to the outcome of a copy. Pure.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <sink/copy_outcome.hpp>
#include <string>

namespace lsmtpd::kafka {

struct Delivered {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_msg_status_t status = RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

// A report that says something of more than its message.
enum class Cause {
  none,
  denied,   // the user may not write: an operator has to look at it
  changed,  // the topic is no longer as it was when it was looked at
};

struct Verdict {
  sink::Outcome outcome;
  Cause cause = Cause::none;
};

Verdict outcome_of(const Delivered& report);

// The producer was given up before the report came.
sink::Outcome lost(std::string_view why);
// 552 5.3.4
sink::Outcome too_large(std::uint64_t octets, std::uint64_t limit);
// 550 5.1.3: the template became a name that Kafka does not allow.
sink::Outcome no_topic_name(std::string_view name);

}  // namespace lsmtpd::kafka
