// SPDX-License-Identifier: Apache-2.0
// The states of a session, the commands that each allows, and what leads from one to another: two
// tables, to be held against RFC 5321 4.1.4, RFC 2033 4.2 and RFC 3030 2. The session runs a
// command only where the first says `run`, else it sends what stands there; it changes its state
// only by the second.
//
// STARTTLS leads back to start (RFC 3207 4.2). AUTH is allowed in ready only (RFC 4954 4).
#pragma once

#include <array>

#include "smtp/commands.hpp"
#include "smtp/replies.hpp"

namespace lsmtpd::smtp {

enum class State : uint8_t {
  start,     // nothing yet
  ready,     // greeted, no transaction
  mail,      // MAIL accepted, no RCPT yet
  unwanted,  // MAIL accepted, every RCPT refused
  rcpt,      // at least one RCPT accepted
  chunks,    // a BDAT was accepted, its LAST is to come
  failed,    // a BDAT was refused: RSET clears it
};
inline constexpr unsigned kStateCount = static_cast<unsigned>(State::failed) + 1;

namespace table {

using Refusal = const replies::Fixed*;
using Row = std::array<Refusal, kStateCount>;

inline constexpr Refusal kRun = nullptr;
inline constexpr Refusal kNested = &replies::kNestedMail;
inline constexpr Refusal kMail = &replies::kNeedMail;
inline constexpr Refusal kRcpt = &replies::kNeedRcpt;
inline constexpr Refusal kNone = &replies::kNoValidRecipients;
inline constexpr Refusal kChunk = &replies::kChunking;
inline constexpr Refusal kFail = &replies::kChunkFailed;
inline constexpr Refusal kTls = &replies::kTlsNested;
inline constexpr Refusal kEhlo = &replies::kAuthNeedsEhlo;
inline constexpr Refusal kAuth = &replies::kAuthNested;
inline constexpr Refusal kAbsent = &replies::kNotImplemented;
inline constexpr Refusal kVerb = &replies::kUnknownCommand;

// clang-format off
inline constexpr std::array<Row, kVerbCount> kRows{{
    // start  ready   mail    unwanted rcpt    chunks  failed
    {  kRun,   kRun,    kNested, kNested,  kNested, kNested, kFail },  // MAIL
    {  kMail,  kMail,   kRun,    kRun,     kRun,    kChunk,  kFail },  // RCPT
    {  kMail,  kMail,   kRcpt,   kNone,    kRun,    kChunk,  kFail },  // DATA
    {  kMail,  kMail,   kRcpt,   kNone,    kRun,    kRun,    kFail },  // BDAT
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // RSET
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // QUIT
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // NOOP
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // HELO
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // EHLO
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // LHLO
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // VRFY
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // HELP
    {  kRun,   kRun,    kRun,    kRun,     kRun,    kRun,    kRun   },  // XCLIENT: forgets the transaction
    {  kRun,   kRun,    kTls,    kTls,     kTls,    kChunk,  kFail },  // STARTTLS
    {  kEhlo,  kRun,    kAuth,   kAuth,    kAuth,   kChunk,  kFail },  // AUTH
    {  kAbsent, kAbsent, kAbsent, kAbsent, kAbsent, kAbsent, kAbsent },  // EXPN, TURN, ...
    {  kVerb,  kVerb,   kVerb,   kVerb,    kVerb,   kVerb,   kVerb  },  // anything else
}};
// clang-format on

}  // namespace table

// Null: run the command. LMTP has the table of SMTP but for one code: RFC 2033 4.2.
constexpr const replies::Fixed* refusal_of(Verb verb, State state, bool lmtp = false) {
  const auto* refusal = table::kRows[static_cast<unsigned>(verb)][static_cast<unsigned>(state)];
  return lmtp && refusal == table::kNone ? &replies::kNoValidRecipientsLmtp : refusal;
}

enum class Event : uint8_t {
  greeted,  // HELO, EHLO or LHLO accepted
  mail_accepted,
  rcpt_accepted,
  rcpt_refused,
  chunk_accepted,  // BDAT without LAST
  chunk_refused,
  ended,  // RSET, or the end of a message, whatever became of it
};
inline constexpr unsigned kEventCount = static_cast<unsigned>(Event::ended) + 1;

namespace table {

// clang-format off
inline constexpr std::array<std::array<State, kStateCount>, kEventCount> kTransitions = [] {
  using enum State;
  return std::array<std::array<State, kStateCount>, kEventCount>{{
    // start  ready   mail      unwanted  rcpt    chunks  failed
    {  ready, ready,  ready,    ready,    ready,  ready,  ready  },  // greeted
    {  mail,  mail,   mail,     unwanted, rcpt,   chunks, failed },  // mail_accepted: from the first two only
    {  start, ready,  rcpt,     rcpt,     rcpt,   chunks, failed },  // rcpt_accepted
    {  start, ready,  unwanted, unwanted, rcpt,   chunks, failed },  // rcpt_refused
    {  start, ready,  mail,     unwanted, chunks, chunks, failed },  // chunk_accepted
    {  start, ready,  mail,     unwanted, failed, failed, failed },  // chunk_refused
    {  start, ready,  ready,    ready,    ready,  ready,  ready  },  // ended: to start where there was no greeting
  }};
}();
// clang-format on

}  // namespace table

constexpr State after(Event event, State state) {
  return table::kTransitions[static_cast<unsigned>(event)][static_cast<unsigned>(state)];
}

}  // namespace lsmtpd::smtp
