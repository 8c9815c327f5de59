// SPDX-License-Identifier: Apache-2.0
// The one table of decisions: a plugin answered, failed, or let a deadline pass; this is what
// happens next, and the reply that stands for it where the plugin gave none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "message/phase.hpp"
#include "plugin/instance_settings.hpp"
#include "plugin/verdict.hpp"
#include "smtp/replies.hpp"

namespace lsmtpd::pipeline {

// The part in which a plugin is asked.
enum class Role : uint8_t {
  filter,
  session_filter,
  output,                // without a fallback
  output_with_fallback,  // unless it rejects, its fallback is asked
  fallback,              // of an output that could not take the message
  replay,                // an output that gets a message back from its fallback
};

// The outcome of a call.
enum class CallEnd : uint8_t {
  proceed,
  accept,
  stored,
  reject,
  tempfail,
  discard,
  failed,          // the plugin threw, or is stuck
  deadline,        // its own passed
  chain_deadline,  // timeouts.chain passed
};

enum class Next : uint8_t {
  go_on,         // the next filter's turn, or the next command
  skip,          // the outputs' turn, or the next command: no filter that is left is asked
  stored,        // safe; on replay: forget the fallback's copy
  discarded,     // 250, and gone
  rejected,      // 5xx; on replay: a dead letter
  tempfail,      // 4xx; on replay: it waits
  use_fallback,  // the fallback is asked
  wait_on,       // nothing changes: the answer is waited for
};

inline constexpr size_t kRoles = 6, kCallEnds = 9;

namespace table {

enum class Cell : uint8_t { go, skip, store, discard, reject, tempf, fallb, wait, on_err, on_tmo };
using enum Cell;

// Only filters may discard, and only outputs may store: from others these kinds count as tempfail,
// or the fallback is asked. The chain's deadline does not end the fallback, which has its own: the
// mail is to be safe rather than quick.
inline constexpr std::array<std::array<Cell, kCallEnds>, kRoles> kCells = {{
    // proceed accept stored  reject  tempfail discard failed  deadline chain
    {{go, skip, tempf, reject, tempf, discard, on_err, on_tmo, tempf}},    // filter
    {{go, skip, tempf, reject, tempf, tempf, on_err, on_tmo, tempf}},      // session_filter
    {{tempf, tempf, store, reject, tempf, tempf, on_err, on_tmo, tempf}},  // output
    {{fallb, fallb, store, reject, fallb, fallb, fallb, fallb, fallb}},    // output_with_fallback
    {{tempf, tempf, store, tempf, tempf, tempf, tempf, tempf, wait}},      // fallback
    {{tempf, tempf, store, reject, tempf, tempf, tempf, tempf, wait}},     // replay
}};

// An output that failed cannot be passed by: nobody would have the message.
constexpr Next by_policy(plugin::OnFailure policy, Role role) {
  if (policy == plugin::OnFailure::reject) return Next::rejected;
  const bool passable = role == Role::filter || role == Role::session_filter;
  return policy == plugin::OnFailure::proceed && passable ? Next::go_on : Next::tempfail;
}

}  // namespace table

constexpr Next decide(Role role, CallEnd ended, plugin::OnFailure on_error,
                      plugin::OnFailure on_timeout) {
  switch (table::kCells[static_cast<size_t>(role)][static_cast<size_t>(ended)]) {
    case table::Cell::go:
      return Next::go_on;
    case table::Cell::skip:
      return Next::skip;
    case table::Cell::store:
      return Next::stored;
    case table::Cell::discard:
      return Next::discarded;
    case table::Cell::reject:
      return Next::rejected;
    case table::Cell::fallb:
      return Next::use_fallback;
    case table::Cell::wait:
      return Next::wait_on;
    case table::Cell::on_err:
      return table::by_policy(on_error, role);
    case table::Cell::on_tmo:
      return table::by_policy(on_timeout, role);
    case table::Cell::tempf:
      break;
  }
  return Next::tempfail;
}

inline Next decide(Role role, CallEnd ended, const plugin::Settings& settings) {
  return decide(role, ended, settings.on_error, settings.on_timeout);
}

constexpr CallEnd call_end(plugin::Kind kind) {
  switch (kind) {
    case plugin::Kind::proceed:
      return CallEnd::proceed;
    case plugin::Kind::accept:
      return CallEnd::accept;
    case plugin::Kind::stored:
      return CallEnd::stored;
    case plugin::Kind::reject:
      return CallEnd::reject;
    case plugin::Kind::tempfail:
      return CallEnd::tempfail;
    case plugin::Kind::discard:
      return CallEnd::discard;
    case plugin::Kind::failed:
      break;
  }
  return CallEnd::failed;
}

// The reply where the plugin gave none of its own.
constexpr const smtp::replies::Fixed& default_reply(Role role, bool refused) {
  if (refused) return smtp::replies::kMessageRefused;
  const bool filters = role == Role::filter || role == Role::session_filter;
  return filters ? smtp::replies::kFilterTempfail : smtp::replies::kOutputTempfail;
}

// A session filter's. RFC 5321 4.2.2: 550 is a mailbox that is not to be had.
constexpr const smtp::replies::Fixed& default_reply(message::Phase phase, bool refused) {
  const bool recipient = refused && phase == message::Phase::rcpt;
  return recipient ? smtp::replies::kRecipientRefused
                   : default_reply(Role::session_filter, refused);
}

}  // namespace lsmtpd::pipeline
