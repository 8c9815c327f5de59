// SPDX-License-Identifier: Apache-2.0
// The state table against the rules of the RFCs, rule by rule.
#include "smtp/states.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace lsmtpd::smtp {
namespace {

constexpr State all_states[] = {State::start, State::ready,  State::mail,  State::unwanted,
                                State::rcpt,  State::chunks, State::failed};

bool runs(Verb verb, State state) {
  return refusal_of(verb, state) == nullptr;
}

std::string_view code(Verb verb, State state) {
  return refusal_of(verb, state)->line.substr(0, 9);
}

TEST(States, AlwaysAllowWhatChangesNoOrder) {  // RFC 5321 4.1.4
  for (const Verb verb : {Verb::rset, Verb::quit, Verb::noop, Verb::helo, Verb::ehlo, Verb::lhlo,
                          Verb::vrfy, Verb::help, Verb::xclient}) {
    for (const State state : all_states) EXPECT_TRUE(runs(verb, state));
  }
}

TEST(States, AllowMailOutsideATransactionOnly) {
  for (const State state : all_states) {
    EXPECT_EQ(runs(Verb::mail, state), state == State::start || state == State::ready);
    if (!runs(Verb::mail, state)) {
      EXPECT_EQ(code(Verb::mail, state), "503 5.5.1");
    }
  }
}

TEST(States, AllowRcptAfterMailUntilTheContent) {
  for (const State state : all_states) {
    EXPECT_EQ(runs(Verb::rcpt, state),
              state == State::mail || state == State::unwanted || state == State::rcpt);
  }
}

TEST(States, AllowDataWithARecipientAndNeverAfterBdat) {  // RFC 3030 2
  for (const State state : all_states) {
    EXPECT_EQ(runs(Verb::data, state), state == State::rcpt);
    EXPECT_EQ(runs(Verb::bdat, state), state == State::rcpt || state == State::chunks);
  }
  EXPECT_EQ(code(Verb::data, State::mail), "503 5.5.1");
  EXPECT_EQ(code(Verb::data, State::unwanted), "554 5.5.1");
  EXPECT_EQ(code(Verb::data, State::chunks), "503 5.5.1");
}

TEST(States, LeadFromOneToTheNext) {
  EXPECT_EQ(after(Event::greeted, State::start), State::ready);
  EXPECT_EQ(after(Event::mail_accepted, State::start), State::mail);  // old clients send no HELO
  EXPECT_EQ(after(Event::mail_accepted, State::ready), State::mail);
  EXPECT_EQ(after(Event::rcpt_refused, State::mail), State::unwanted);
  EXPECT_EQ(after(Event::rcpt_accepted, State::unwanted), State::rcpt);
  EXPECT_EQ(after(Event::rcpt_refused, State::rcpt), State::rcpt);
  EXPECT_EQ(after(Event::chunk_accepted, State::rcpt), State::chunks);
  EXPECT_EQ(after(Event::chunk_refused, State::chunks), State::failed);
  EXPECT_EQ(after(Event::chunk_refused, State::ready), State::ready);
}

TEST(States, EndEveryTransaction) {  // RFC 5321 4.1.4: EHLO resets, 4.1.1.5: so does RSET
  for (const State state : all_states) {
    EXPECT_EQ(after(Event::greeted, state), State::ready);
    EXPECT_EQ(after(Event::ended, state), state == State::start ? State::start : State::ready);
  }
}

TEST(States, AreReachedOnlyByCommandsThatTheStateRuns) {
  constexpr std::pair<Verb, Event> accepted[] = {{Verb::mail, Event::mail_accepted},
                                                 {Verb::rcpt, Event::rcpt_accepted},
                                                 {Verb::bdat, Event::chunk_accepted}};
  for (const auto& [verb, event] : accepted) {
    for (const State state : all_states) {
      if (!runs(verb, state)) {
        EXPECT_EQ(after(event, state), state);
      }
    }
  }
}

TEST(States, AllowStarttlsOutsideATransactionOnly) {  // RFC 3207 4
  for (const State state : all_states) {
    EXPECT_EQ(runs(Verb::starttls, state), state == State::start || state == State::ready);
    if (!runs(Verb::starttls, state)) {
      EXPECT_EQ(code(Verb::starttls, state), "503 5.5.1");
    }
  }
}

TEST(States, KnowWhatIsNotThere) {
  for (const State state : all_states) {
    EXPECT_EQ(code(Verb::missing, state), "502 5.5.1");
    EXPECT_EQ(code(Verb::unknown, state), "500 5.5.1");
  }
}

}  // namespace
}  // namespace lsmtpd::smtp
