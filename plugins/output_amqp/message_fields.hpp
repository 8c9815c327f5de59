// SPDX-License-Identifier: Apache-2.0
// The fields of an AMQP message that the options give beside those that each mail has: subject,
// group-id, to, priority, time to live and message annotations.
//
// parse_message_fields() is pure; what it gives is immutable and shared by the lanes. A template by
// recipient takes the first recipient of the copy.
#pragma once

#include <chrono>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <optional>
#include <sink/template.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lsmtpd::amqp {

struct MessageFields {
  // Longest value of one field or annotation, in octets; longer ones are cut.
  static constexpr std::size_t kMostOctets = 1024;
  static constexpr std::size_t kMostAnnotations = 16;

  sink::Template subject;
  sink::Template group_id;
  sink::Template to;                        // empty: the target's address
  std::optional<std::uint8_t> priority;     // 0 to 9
  std::chrono::milliseconds expiration{0};  // the header's ttl; 0: the message does not expire
  std::vector<std::pair<std::string, sink::Template>> annotations;
};

// Says what is wrong in `report`; false if there was anything.
bool parse_message_fields(sdk::Config config, sdk::Report report, MessageFields* fields);

// The fields as one copy of a message has them.
struct FieldValues {
  std::string subject;   // empty: none
  std::string group_id;  // empty: none
  std::string to;        // empty: the target's address
  std::optional<std::uint8_t> priority;
  std::uint32_t ttl_ms = 0;  // 0: none
  std::vector<std::pair<std::string_view, std::string>> annotations;
};

// `envelope` is the copy's. The values refer to `fields`.
FieldValues expand(const MessageFields& fields, const lsmtpd_envelope& envelope);

}  // namespace lsmtpd::amqp
