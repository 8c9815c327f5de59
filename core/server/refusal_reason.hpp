// SPDX-License-Identifier: Apache-2.0
// The closed lists of phases and reasons that refusals are counted by, and how a reply's codes lead
// to a reason where the place that refuses names none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lsmtpd::server {

enum class RefusedAt : uint8_t { connect, helo, auth, mail, rcpt, data, command };
inline constexpr std::array<std::string_view, 7> kRefusedAtNames{
    "connect", "helo", "auth", "mail", "rcpt", "data", "command"};

enum class Reason : uint8_t {
  address,               // an address that cannot be used, or is not known here
  auth,                  // authentication is missing or failed
  connections,           // limits.connections
  connections_per_peer,  // limits.connections_per_peer
  content,               // bare CR or LF, a line of one dot and NUL
  errors,                // too many errors or commands without mail
  filter,                // a filter's or session filter's verdict, or its absence
  internal,              // a broken invariant
  loop,                  // too many Received fields
  memory,                // limits.memory or limits.spill is used up
  not_ready,             // the chain could store nothing
  output,                // an output's verdict, or its absence
  protocol,              // syntax, order of commands, what is not offered
  rate,                  // a limit of messages or recipients in a time
  recipients,            // limits.recipients, or a recipient of another route
  shutdown,              // the daemon stops
  size,                  // a limit of the message's size
  timeout,               // the client was too slow
  tls,                   // TLS is required, or could not begin
  other,
};
inline constexpr unsigned kReasonCount = static_cast<unsigned>(Reason::other) + 1;

namespace table {

constexpr uint8_t bit(RefusedAt at) {
  return static_cast<uint8_t>(1u << static_cast<unsigned>(at));
}

struct ReasonRow {
  std::string_view name;
  bool temporary, permanent;  // which classes there are
  uint8_t phases;
};

inline constexpr uint8_t kAnyPhase = 0x7f;
inline constexpr uint8_t kAtConnect = bit(RefusedAt::connect), kAtHelo = bit(RefusedAt::helo),
                         kAtAuth = bit(RefusedAt::auth), kAtMail = bit(RefusedAt::mail),
                         kAtRcpt = bit(RefusedAt::rcpt), kAtData = bit(RefusedAt::data),
                         kAtCommand = bit(RefusedAt::command);

// Every series exists from the start, so these are only combinations that can occur. A refusal in
// none of these counts as `other`.
inline constexpr std::array<ReasonRow, kReasonCount> kReasons{{
    {"address", false, true, kAtMail | kAtRcpt},
    {"auth", true, true, kAtAuth | kAtMail},
    {"connections", true, false, kAtConnect | kAtCommand},
    {"connections_per_peer", true, false, kAtConnect | kAtCommand},
    {"content", false, true, kAtData},
    {"errors", true, false, kAnyPhase},
    {"filter", true, true, kAnyPhase & ~kAtCommand & 0x7f},
    {"internal", true, false, kAtMail | kAtData | kAtCommand},
    {"loop", false, true, kAtData},
    {"memory", true, false, kAtMail | kAtRcpt | kAtData | kAtCommand},
    {"not_ready", true, false, kAtMail | kAtRcpt},
    {"output", true, true, kAtData},
    {"protocol", false, true, kAnyPhase},
    {"rate", true, false, kAtConnect | kAtMail | kAtRcpt},
    {"recipients", true, false, kAtRcpt},
    {"shutdown", true, false, kAtMail | kAtCommand},
    {"size", false, true, kAtMail | kAtRcpt | kAtData},
    {"timeout", true, false, kAtMail | kAtData | kAtCommand},
    {"tls", true, true, kAtMail | kAtCommand},
    {"other", true, true, kAnyPhase},
}};

}  // namespace table

constexpr std::string_view reason_name(Reason reason) {
  return table::kReasons[static_cast<size_t>(reason)].name;
}
constexpr bool is_counted(RefusedAt at, bool permanent, Reason reason) {
  const auto& row = table::kReasons[static_cast<size_t>(reason)];
  return (permanent ? row.permanent : row.temporary) && (row.phases & table::bit(at)) != 0;
}

// By the enhanced code (RFC 3463) of a reply of the session's own.
constexpr Reason reason_of(uint32_t code, std::string_view enhanced) {
  const auto rest = enhanced.size() > 1 ? enhanced.substr(1) : std::string_view();
  if (rest == ".5.3") return Reason::recipients;
  if (rest == ".3.4") return Reason::size;
  if (rest == ".4.6") return Reason::loop;
  if (rest == ".4.2") return Reason::timeout;
  if (rest == ".6.7" || rest.starts_with(".1.")) return Reason::address;
  if (rest.starts_with(".6.")) return Reason::content;
  if (rest == ".7.8" || rest == ".7.9" || rest == ".7.11" || rest == ".5.6") return Reason::auth;
  if (rest == ".7.0") {
    if (code == 421) return Reason::errors;
    return code == 454 || code == 530 ? Reason::tls : Reason::other;
  }
  if (rest == ".7.1") return Reason::filter;
  if (rest == ".3.1") return Reason::memory;
  if (rest == ".3.0") return Reason::internal;
  if (rest == ".3.2") return code == 421 ? Reason::shutdown : Reason::other;
  if (rest.starts_with(".5.") || code == 500 || code == 502 || code == 503) return Reason::protocol;
  return Reason::other;
}

constexpr RefusedAt refused_at(std::string_view name) {
  for (size_t i = 0; i < kRefusedAtNames.size(); ++i) {
    if (kRefusedAtNames[i] == name) return static_cast<RefusedAt>(i);
  }
  return RefusedAt::command;
}

}  // namespace lsmtpd::server
