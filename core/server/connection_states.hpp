// SPDX-License-Identifier: Apache-2.0
// The states of a connection and what leads from one to another, as a table. The connection changes
// its state only by it; what the table calls impossible is a broken invariant, answered with 421.
//
// The handshake of TLS is a state of its own, entered from `reading` only.
#pragma once

#include <array>
#include <cstdint>

namespace lsmtpd::server {

enum class ConnectionState : uint8_t {
  reading,      // the client is to send something: input goes to the session as it comes
  banner,       // greet_delay: a client that sends now is an early talker
  phase,        // session filters are asked about a phase, or a plugin checks credentials
  spill,        // the body's file is written to, on the pool
  chain,        // the chain has the message
  unread,       // the client has to take its replies first
  turn,         // its share of this turn is used up: it goes on in the next one
  handshake,    // of TLS
  closing,      // the last reply is on its way
  ended,        // the client's part is over: the stream closes or is closed
  ended_spill,  // the same, and the pool still uses the body
  ended_chain,  // the same, and the chain will still tell the message's outcome
  ended_turn,   // the same, and the next turn still comes back
  impossible,
};
inline constexpr unsigned kConnectionStateCount =
    static_cast<unsigned>(ConnectionState::impossible);

enum class ConnectionEvent : uint8_t {
  delay_begun,
  delay_over,  // it has passed, or the client talked
  phase_asked,
  phase_answered,
  spill_begun,
  spill_done,
  chain_begun,
  chain_done,      // the outcome is there, or the chain gave up the message
  replies_unread,  // the kernel did not take all of them
  replies_read,
  turn_spent,
  turn_begun,
  handshake_begun,
  handshake_done,
  client_given_up,  // the session ends: what the client was to do first does not matter any more
  last_reply,
  over,  // the connection is closed, by us or by the client
};
inline constexpr unsigned kConnectionEventCount = static_cast<unsigned>(ConnectionEvent::over) + 1;

namespace table {

// clang-format off
inline constexpr std::array<std::array<ConnectionState, kConnectionStateCount>, kConnectionEventCount>
    kConnectionTransitions = [] {
  using enum ConnectionState;
  constexpr ConnectionState kNever = impossible;
  return std::array<std::array<ConnectionState, kConnectionStateCount>, kConnectionEventCount>{{
    // reading  banner   phase    spill        chain        unread   turn        handshake closing ended  ended_spill  ended_chain  ended_turn
    {  banner,    kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // delay_begun
    {  kNever,    reading, kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // delay_over
    {  phase,     kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // phase_asked
    {  kNever,    kNever,  reading, kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // phase_answered
    {  spill,     kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // spill_begun
    {  kNever,    kNever,  kNever,  reading,     kNever,      kNever,  kNever,     kNever,   kNever, kNever, ended,       kNever,      kNever     },  // spill_done
    {  chain,     kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // chain_begun
    {  kNever,    kNever,  kNever,  kNever,      reading,     kNever,  kNever,     kNever,   kNever, kNever, kNever,      ended,       kNever     },  // chain_done
    {  unread,    kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // replies_unread
    {  kNever,    kNever,  kNever,  kNever,      kNever,      reading, kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // replies_read
    {  turn,      kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // turn_spent
    {  kNever,    kNever,  kNever,  kNever,      kNever,      kNever,  reading,    kNever,   kNever, kNever, kNever,      kNever,      ended      },  // turn_begun
    {  handshake, kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // handshake_begun
    {  kNever,    kNever,  kNever,  kNever,      kNever,      kNever,  kNever,     reading,  kNever, kNever, kNever,      kNever,      kNever     },  // handshake_done
    {  reading,   reading, kNever,  kNever,      kNever,      reading, kNever,     kNever,   kNever, kNever, kNever,      kNever,      kNever     },  // client_given_up
    {  closing,   kNever,  kNever,  kNever,      kNever,      closing, kNever,     closing,  kNever, kNever, kNever,      kNever,      kNever     },  // last_reply
    {  ended,     ended,   ended,   ended_spill, ended_chain, ended,   ended_turn, ended,    ended,  ended,  ended_spill, ended_chain, ended_turn },  // over
  }};
}();
// clang-format on

}  // namespace table

constexpr ConnectionState after(ConnectionEvent event, ConnectionState state) {
  return table::kConnectionTransitions[static_cast<unsigned>(event)][static_cast<unsigned>(state)];
}

// Returns true while lsmtpd has to act and not the client: a reply that ends the session waits.
constexpr bool waits_for_us(ConnectionState state) {
  return state == ConnectionState::phase || state == ConnectionState::spill ||
         state == ConnectionState::chain || state == ConnectionState::turn;
}

// For an operator.
constexpr const char* state_name(ConnectionState state) {
  constexpr auto kNames =
      std::to_array<const char*>({"client", "banner", "filters", "disk", "chain", "replies", "turn",
                                  "handshake", "closing", "ended", "ended", "ended", "ended"});
  static_assert(kNames.size() == kConnectionStateCount);
  return kNames[static_cast<unsigned>(state)];
}

constexpr bool is_over(ConnectionState state) {
  return state == ConnectionState::ended || state == ConnectionState::ended_spill ||
         state == ConnectionState::ended_chain || state == ConnectionState::ended_turn;
}

}  // namespace lsmtpd::server
