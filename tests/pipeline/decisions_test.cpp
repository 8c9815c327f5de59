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

constexpr std::array<const char*, kRoles> kRoleNames = {
    "filter", "session_filter", "output", "output_with_fallback", "fallback", "replay"};
constexpr std::array<const char*, kCallEnds> kCallEndNames = {
    "proceed", "accept", "stored",   "reject",        "tempfail",
    "discard", "failed", "deadline", "chain_deadline"};
constexpr std::array<const char*, 3> kPolicyNames = {"tempfail", "reject", "continue"};
constexpr std::array<const char*, 8> kNextNames = {
    "go_on", "skip", "stored", "discarded", "rejected", "tempfail", "use_fallback", "wait_on"};

template <class Function>
void for_all(Function&& function) {
  for (size_t role = 0; role < kRoles; ++role) {
    for (size_t ended = 0; ended < kCallEnds; ++ended) {
      for (size_t error = 0; error < 3; ++error) {
        for (size_t timeout = 0; timeout < 3; ++timeout) {
          SCOPED_TRACE(std::string(kRoleNames[role]) + ", " + kCallEndNames[ended] + ", on_error " +
                       kPolicyNames[error] + ", on_timeout " + kPolicyNames[timeout]);
          const auto on_error = static_cast<OnFailure>(error);
          const auto on_timeout = static_cast<OnFailure>(timeout);
          const auto who = static_cast<Role>(role);
          const auto what = static_cast<CallEnd>(ended);
          function(who, what, on_error, on_timeout, decide(who, what, on_error, on_timeout));
        }
      }
    }
  }
}

// As an operator would read it: one line a role, one word a thing that can come. `E` and `T`:
// what on_error and on_timeout say.
const char* const kExpected[kRoles] = {
    "go_on skip tempfail rejected tempfail discarded E T tempfail",
    "go_on skip tempfail rejected tempfail tempfail E T tempfail",
    "tempfail tempfail stored rejected tempfail tempfail E T tempfail",
    ("use_fallback use_fallback stored rejected use_fallback use_fallback use_fallback "
     "use_fallback "
     "use_fallback"),
    "tempfail tempfail stored tempfail tempfail tempfail tempfail tempfail wait_on",
    "tempfail tempfail stored rejected tempfail tempfail tempfail tempfail wait_on"};

std::string expected(Role role, CallEnd ended, OnFailure on_error, OnFailure on_timeout) {
  std::string rest = kExpected[static_cast<size_t>(role)];
  for (size_t i = 0; i < static_cast<size_t>(ended); ++i) rest.erase(0, rest.find(' ') + 1);
  const std::string word = rest.substr(0, rest.find(' '));
  if (word != "E" && word != "T") return word;
  const OnFailure policy = word == "E" ? on_error : on_timeout;
  if (policy == OnFailure::reject) return "rejected";
  // "continue" is for filters.
  return policy == OnFailure::proceed && role <= Role::session_filter ? "go_on" : "tempfail";
}

TEST(DecisionsTest, EveryCombinationIsAsTheTableSays) {
  int combinations = 0;
  for_all([&](Role s, CallEnd c, OnFailure e, OnFailure t, Next next) {
    EXPECT_EQ(kNextNames[static_cast<size_t>(next)], expected(s, c, e, t));
    ++combinations;
  });
  EXPECT_EQ(combinations, 486);
}

// Promise P1, independent of the table.
TEST(DecisionsTest, OnlyAStoredVerdictOfAnOutputCountsAsStored) {
  for_all([](Role s, CallEnd c, OnFailure, OnFailure, Next next) {
    const bool stores = s != Role::filter && s != Role::session_filter;
    EXPECT_EQ(next == Next::stored, stores && c == CallEnd::stored);
    if (stores) {
      EXPECT_NE(next, Next::skip);
      EXPECT_NE(next, Next::go_on) << "nobody would have the message";
      EXPECT_NE(next, Next::discarded);
    }
  });
}

TEST(DecisionsTest, MailIsRefusedForGoodOnlyWhereAPluginOrThePolicySaysSo) {
  for_all([](Role s, CallEnd c, OnFailure e, OnFailure t, Next next) {
    if (next != Next::rejected) return;
    EXPECT_TRUE(c == CallEnd::reject || (c == CallEnd::failed && e == OnFailure::reject) ||
                (c == CallEnd::deadline && t == OnFailure::reject));
    EXPECT_NE(s, Role::fallback);
  });
}

TEST(DecisionsTest, AFallbackIsUsedForWhateverItsOutputDidNotStoreOrRefuse) {
  for_all([](Role s, CallEnd c, OnFailure, OnFailure, Next next) {
    EXPECT_EQ(next == Next::use_fallback,
              s == Role::output_with_fallback && c != CallEnd::stored && c != CallEnd::reject);
  });
}

TEST(DecisionsTest, KindsMapToTheSameAnswer) {
  EXPECT_EQ(call_end(Kind::proceed), CallEnd::proceed);
  EXPECT_EQ(call_end(Kind::accept), CallEnd::accept);
  EXPECT_EQ(call_end(Kind::stored), CallEnd::stored);
  EXPECT_EQ(call_end(Kind::reject), CallEnd::reject);
  EXPECT_EQ(call_end(Kind::tempfail), CallEnd::tempfail);
  EXPECT_EQ(call_end(Kind::discard), CallEnd::discard);
  EXPECT_EQ(call_end(Kind::failed), CallEnd::failed);
}

TEST(DecisionsTest, DefaultRepliesFitTheSpeakerAndThePhase) {
  for (const Role s : {Role::filter, Role::session_filter, Role::output, Role::output_with_fallback,
                       Role::fallback, Role::replay}) {
    EXPECT_EQ(make(default_reply(s, true)).code, 554);
    EXPECT_EQ(make(default_reply(s, false)).code, 451);
    EXPECT_EQ(make(default_reply(s, false)).enhanced,
              s <= Role::session_filter ? "4.7.1" : "4.3.0");
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
  const auto reply = to_reply(verdict, Role::output);
  EXPECT_EQ(reply.code, 451);
  EXPECT_EQ(reply.enhanced, "4.3.0");
  EXPECT_EQ(verdict.detail, "the disk is full");
  plugin::Verdict same{Kind::reject, 552, "5.3.4", "too large", {}};
  change_kind(same, Kind::reject);
  EXPECT_EQ(to_reply(same, Role::output).code, 552);
}

}  // namespace
}  // namespace lsmtpd::pipeline
