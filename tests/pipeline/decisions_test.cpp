// SPDX-License-Identifier: Apache-2.0
// The table of decisions, every combination of it.
#include "pipeline/decisions.hpp"

#include <gtest/gtest.h>

#include <string>

#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {
namespace {

using message::Phase;
using plugin::Kind;
using plugin::OnFailure;

constexpr std::array<const char*, kSpeakers> kSpeakerNames = {
    "filter", "session_filter", "output", "output_with_fallback", "fallback", "replay"};
constexpr std::array<const char*, kCame> kCameNames = {"proceed", "accept",   "stored",
                                                       "reject",  "tempfail", "discard",
                                                       "failed",  "deadline", "chain_deadline"};
constexpr std::array<const char*, 3> kPolicyNames = {"tempfail", "reject", "continue"};
constexpr std::array<const char*, 8> kNextNames = {
    "go_on", "skip", "stored", "discarded", "rejected", "tempfail", "use_fallback", "wait_on"};

template <class Function>
void for_all(Function&& function) {
  for (size_t speaker = 0; speaker < kSpeakers; ++speaker) {
    for (size_t came = 0; came < kCame; ++came) {
      for (size_t error = 0; error < 3; ++error) {
        for (size_t timeout = 0; timeout < 3; ++timeout) {
          SCOPED_TRACE(std::string(kSpeakerNames[speaker]) + ", " + kCameNames[came] +
                       ", on_error " + kPolicyNames[error] + ", on_timeout " +
                       kPolicyNames[timeout]);
          const auto on_error = static_cast<OnFailure>(error);
          const auto on_timeout = static_cast<OnFailure>(timeout);
          const auto who = static_cast<Speaker>(speaker);
          const auto what = static_cast<Came>(came);
          function(who, what, on_error, on_timeout, decide(who, what, on_error, on_timeout));
        }
      }
    }
  }
}

// As an operator would read it: one line a speaker, one word a thing that can come. `E` and `T`:
// what on_error and on_timeout say.
const char* const kExpected[kSpeakers] = {
    "go_on skip tempfail rejected tempfail discarded E T tempfail",
    "go_on skip tempfail rejected tempfail tempfail E T tempfail",
    "tempfail tempfail stored rejected tempfail tempfail E T tempfail",
    ("use_fallback use_fallback stored rejected use_fallback use_fallback use_fallback "
     "use_fallback "
     "use_fallback"),
    "tempfail tempfail stored tempfail tempfail tempfail tempfail tempfail wait_on",
    "tempfail tempfail stored rejected tempfail tempfail tempfail tempfail wait_on"};

std::string expected(Speaker speaker, Came came, OnFailure on_error, OnFailure on_timeout) {
  std::string rest = kExpected[static_cast<size_t>(speaker)];
  for (size_t i = 0; i < static_cast<size_t>(came); ++i) rest.erase(0, rest.find(' ') + 1);
  const std::string word = rest.substr(0, rest.find(' '));
  if (word != "E" && word != "T") return word;
  const OnFailure policy = word == "E" ? on_error : on_timeout;
  if (policy == OnFailure::reject) return "rejected";
  // "continue" is for filters.
  return policy == OnFailure::proceed && speaker <= Speaker::session_filter ? "go_on" : "tempfail";
}

TEST(DecisionsTest, EveryCombinationIsAsTheTableSays) {
  int combinations = 0;
  for_all([&](Speaker s, Came c, OnFailure e, OnFailure t, Next next) {
    EXPECT_EQ(kNextNames[static_cast<size_t>(next)], expected(s, c, e, t));
    ++combinations;
  });
  EXPECT_EQ(combinations, 486);
}

// Promise P1, independent of the table.
TEST(DecisionsTest, OnlyAStoredVerdictOfAnOutputCountsAsStored) {
  for_all([](Speaker s, Came c, OnFailure, OnFailure, Next next) {
    const bool stores = s != Speaker::filter && s != Speaker::session_filter;
    EXPECT_EQ(next == Next::stored, stores && c == Came::stored);
    if (stores) {
      EXPECT_NE(next, Next::skip);
      EXPECT_NE(next, Next::go_on) << "nobody would have the message";
      EXPECT_NE(next, Next::discarded);
    }
  });
}

TEST(DecisionsTest, MailIsRefusedForGoodOnlyWhereAPluginOrThePolicySaysSo) {
  for_all([](Speaker s, Came c, OnFailure e, OnFailure t, Next next) {
    if (next != Next::rejected) return;
    EXPECT_TRUE(c == Came::reject || (c == Came::failed && e == OnFailure::reject) ||
                (c == Came::deadline && t == OnFailure::reject));
    EXPECT_NE(s, Speaker::fallback);
  });
}

TEST(DecisionsTest, AFallbackIsUsedForWhateverItsOutputDidNotStoreOrRefuse) {
  for_all([](Speaker s, Came c, OnFailure, OnFailure, Next next) {
    EXPECT_EQ(next == Next::use_fallback,
              s == Speaker::output_with_fallback && c != Came::stored && c != Came::reject);
  });
}

TEST(DecisionsTest, KindsMapToTheSameAnswer) {
  EXPECT_EQ(came_of(Kind::proceed), Came::proceed);
  EXPECT_EQ(came_of(Kind::accept), Came::accept);
  EXPECT_EQ(came_of(Kind::stored), Came::stored);
  EXPECT_EQ(came_of(Kind::reject), Came::reject);
  EXPECT_EQ(came_of(Kind::tempfail), Came::tempfail);
  EXPECT_EQ(came_of(Kind::discard), Came::discard);
  EXPECT_EQ(came_of(Kind::failed), Came::failed);
}

TEST(DecisionsTest, DefaultRepliesFitTheSpeakerAndThePhase) {
  for (const Speaker s : {Speaker::filter, Speaker::session_filter, Speaker::output,
                          Speaker::output_with_fallback, Speaker::fallback, Speaker::replay}) {
    EXPECT_EQ(make(default_reply(s, true)).code, 554);
    EXPECT_EQ(make(default_reply(s, false)).code, 451);
    EXPECT_EQ(make(default_reply(s, false)).enhanced,
              s <= Speaker::session_filter ? "4.7.1" : "4.3.0");
  }
  for (const Phase phase :
       {Phase::connect, Phase::helo, Phase::auth, Phase::mail, Phase::rcpt, Phase::data}) {
    EXPECT_EQ(make(default_reply(phase, true)).code, phase == Phase::rcpt ? 550 : 554);
    EXPECT_EQ(make(default_reply(phase, false)).code, 451);
  }
}

TEST(DecisionsTest, ReplyOfAnotherKindIsDropped) {
  plugin::Verdict verdict{Kind::reject, 552, "5.3.4", "too large", "the disk is full", false};
  change_kind(verdict, Kind::tempfail);
  const auto reply = to_reply(verdict, Speaker::output);
  EXPECT_EQ(reply.code, 451);
  EXPECT_EQ(reply.enhanced, "4.3.0");
  EXPECT_EQ(verdict.detail, "the disk is full");
  plugin::Verdict same{Kind::reject, 552, "5.3.4", "too large", {}};
  change_kind(same, Kind::reject);
  EXPECT_EQ(to_reply(same, Speaker::output).code, 552);
}

}  // namespace
}  // namespace lsmtpd::pipeline
