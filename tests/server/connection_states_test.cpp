// SPDX-License-Identifier: Apache-2.0
// The table of a connection's states, row by row.
#include "server/connection_states.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace lsmtpd::server {
namespace {

using State = ConnectionState;
using Event = ConnectionEvent;

std::set<State> all_states() {
  std::set<State> all;
  for (unsigned i = 0; i < kConnectionStateCount; ++i) all.insert(static_cast<State>(i));
  return all;
}

// Everything that an event may lead from and to; from all others it is impossible.
void expect_only(Event event, const std::map<State, State>& moves) {
  for (const State from : all_states()) {
    const auto move = moves.find(from);
    EXPECT_EQ(after(event, from), move == moves.end() ? State::impossible : move->second)
        << "event " << static_cast<int>(event) << " in state " << static_cast<int>(from);
  }
}

TEST(ConnectionStates, WaitForOneThingAtATime) {
  const std::map<Event, State> begins = {
      {Event::delay_begun, State::banner},       {Event::phase_asked, State::phase},
      {Event::spill_begun, State::spill},        {Event::chain_begun, State::chain},
      {Event::replies_unread, State::unread},    {Event::turn_spent, State::turn},
      {Event::handshake_begun, State::handshake}};
  for (const auto& [event, waiting] : begins) expect_only(event, {{State::reading, waiting}});
}

TEST(ConnectionStates, GoOnReadingWhenWhatWasWaitedForIsThere) {
  expect_only(Event::delay_over, {{State::banner, State::reading}});
  expect_only(Event::phase_answered, {{State::phase, State::reading}});
  expect_only(Event::replies_read, {{State::unread, State::reading}});
  expect_only(Event::handshake_done, {{State::handshake, State::reading}});
  expect_only(Event::spill_done,
              {{State::spill, State::reading}, {State::ended_spill, State::ended}});
  expect_only(Event::chain_done,
              {{State::chain, State::reading}, {State::ended_chain, State::ended}});
  expect_only(Event::turn_begun,
              {{State::turn, State::reading}, {State::ended_turn, State::ended}});
}

TEST(ConnectionStates, GiveUpOnlyWaitingForTheClient) {
  expect_only(Event::client_given_up, {{State::reading, State::reading},
                                       {State::banner, State::reading},
                                       {State::unread, State::reading}});
}

TEST(ConnectionStates, SendALastReplyOnlyWhereNothingIsUnderWay) {
  expect_only(Event::last_reply, {{State::reading, State::closing},
                                  {State::unread, State::closing},
                                  {State::handshake, State::closing}});
}

TEST(ConnectionStates, EndFromEverywhereAndRememberWhatStillComesBack) {
  for (const State from : all_states()) {
    const State to = after(Event::over, from);
    EXPECT_TRUE(is_over(to));
    EXPECT_EQ(to == State::ended_spill, from == State::spill || from == State::ended_spill);
    EXPECT_EQ(to == State::ended_chain, from == State::chain || from == State::ended_chain);
    EXPECT_EQ(to == State::ended_turn, from == State::turn || from == State::ended_turn);
  }
}

// Once it is over, only what comes back from the pool and the chain changes anything.
TEST(ConnectionStates, NeverComeBackFromTheEnd) {
  for (unsigned event = 0; event < kConnectionEventCount; ++event) {
    for (const State from : all_states()) {
      const State to = after(static_cast<Event>(event), from);
      if (is_over(from) && to != State::impossible) {
        EXPECT_TRUE(is_over(to));
      }
    }
  }
}

TEST(ConnectionStates, HaveNamesForAnOperator) {
  EXPECT_STREQ(state_name(State::handshake), "handshake");
  EXPECT_STREQ(state_name(State::closing), "closing");
  EXPECT_STREQ(state_name(State::ended_turn), "ended");
}

TEST(ConnectionStates, NameThePartyThatIsWaitedFor) {
  for (const State state : all_states()) {
    const bool ours = state == State::phase || state == State::spill || state == State::chain ||
                      state == State::turn;
    EXPECT_EQ(waits_for_us(state), ours);
  }
}

}  // namespace
}  // namespace lsmtpd::server
