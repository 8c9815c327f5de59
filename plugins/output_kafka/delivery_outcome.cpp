// SPDX-License-Identifier: Apache-2.0
#include "delivery_outcome.hpp"

namespace lsmtpd::kafka {

namespace {

constexpr const char* kNotAvailable = "Message broker not available";

sink::Outcome rejected(std::uint32_t code, const char* enhanced, std::string text,
                       std::string detail) {
  sink::Outcome outcome = sink::tempfail(code, enhanced, std::move(text), std::move(detail));
  outcome.kind = sink::Kind::rejected;
  return outcome;
}

// The brokers will never take this record.
bool is_final(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return true;
    default:
      return false;
  }
}

Cause cause_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
      return Cause::denied;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      return Cause::changed;
    default:
      return Cause::none;
  }
}

}  // namespace

Verdict outcome_of(const Delivered& report) {
  Verdict verdict;
  const std::string place = report.topic + "[" + std::to_string(report.partition) + "]";
  if (report.error == RD_KAFKA_RESP_ERR_NO_ERROR ||
      report.status == RD_KAFKA_MSG_STATUS_PERSISTED) {
    verdict.outcome.kind = sink::Kind::stored;
    verdict.outcome.detail = place + "@" + std::to_string(report.offset);
    return verdict;
  }
  const std::string detail =
      place + ": " + rd_kafka_err2name(report.error) + ": " + rd_kafka_err2str(report.error);
  verdict.cause = cause_of(report.error);
  if (report.status == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED) {
    verdict.outcome = lost(detail);
  } else if (is_final(report.error)) {
    verdict.outcome = rejected(554, "5.6.0", "Refused by the message broker", detail);
  } else {
    verdict.outcome = sink::tempfail(451, "4.3.0", kNotAvailable, detail);
  }
  return verdict;
}

sink::Outcome lost(std::string_view why) {
  sink::Outcome outcome = sink::tempfail(451, "4.4.2", kNotAvailable,
                                         "sent, and its outcome is not known: " + std::string(why));
  outcome.in_doubt = true;
  outcome.cause_passes = true;
  return outcome;
}

sink::Outcome too_large(std::uint64_t octets, std::uint64_t limit) {
  return rejected(552, "5.3.4", "Message too large for the message broker",
                  std::to_string(octets) + " bytes as a batch, max.message.bytes of the topic is " +
                      std::to_string(limit));
}

sink::Outcome no_topic_name(std::string_view name) {
  return rejected(550, "5.1.3", "Address not allowed",
                  "\"" + std::string(name) + "\" is no name of a topic");
}

}  // namespace lsmtpd::kafka
