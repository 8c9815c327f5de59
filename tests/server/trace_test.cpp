// SPDX-License-Identifier: Apache-2.0
#include "server/trace.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace lsmtpd::server {
namespace {

struct Kept {
  std::vector<std::string> lines;
  std::shared_ptr<const Trace> trace(std::string to = {}) {
    auto made = std::make_shared<Trace>();
    made->to = std::move(to);
    made->write = [this](std::string_view, std::string_view line) { lines.emplace_back(line); };
    return made;
  }
};

void command(SessionTrace& trace, std::string_view line, std::string_view replies = {}) {
  trace.command(smtp::parse_command(line), line, replies);
}

TEST(SessionTraceTest, RepliesStandBeforeTheNextCommand) {
  Kept kept;
  SessionTrace trace("1", "", {});
  trace.watch(kept.trace());
  command(trace, "EHLO x");
  command(trace, "NOOP", "250-a\r\n250 b\r\n");
  trace.sent("250-a\r\n250 b\r\n250 2.0.0 Ok\r\n");
  command(trace, "QUIT");
  EXPECT_EQ(kept.lines, (std::vector<std::string>{"C: EHLO x", "S: 250-a", "S: 250 b", "C: NOOP",
                                                  "S: 250 2.0.0 Ok", "C: QUIT"}));
}

TEST(SessionTraceTest, RepliesFromBeforeItAreLeftOut) {
  Kept kept;
  SessionTrace trace("1", "250 old\r\n", {});
  trace.watch(kept.trace());
  trace.sent("250 old\r\n250 new\r\n");
  EXPECT_EQ(kept.lines, (std::vector<std::string>{"S: 250 new"}));
}

TEST(SessionTraceTest, WhatMayBeAPasswordIsLeftOut) {
  Kept kept;
  SessionTrace trace("1", "", {});
  trace.watch(kept.trace());
  command(trace, "AUTH PLAIN c2VjcmV0");
  command(trace, "c2VjcmV0");
  command(trace, "ETRN c2VjcmV0");
  command(trace, "AUTH LOGIN", "334 c2VjcmV0\r\n");
  for (const auto& line : kept.lines) EXPECT_EQ(line.find("c2VjcmV0"), line.npos) << line;
  EXPECT_EQ(kept.lines.size(), 5u);
}

TEST(SessionTraceTest, LinesBeforeTheRecipientAreKeptUpToALimit) {
  Budget budget(SessionTrace::kMostKept);
  Reservation memory(budget);
  ASSERT_TRUE(memory.reserve(SessionTrace::kMostKept));
  Kept kept;
  SessionTrace trace("1", "", std::move(memory));
  trace.watch(kept.trace("b@example.org"));
  for (int i = 0; i < 1000; ++i) command(trace, "NOOP " + std::to_string(i));
  EXPECT_TRUE(kept.lines.empty());
  command(trace, "RCPT TO:<B@Example.org>");
  size_t octets = 0;
  for (const auto& line : kept.lines) octets += line.size();
  EXPECT_LE(octets, SessionTrace::kMostKept + 40);
  ASSERT_GE(kept.lines.size(), 2u);
  EXPECT_EQ(kept.lines.back(), "C: RCPT TO:<B@Example.org>");
  EXPECT_EQ(kept.lines[kept.lines.size() - 2], "C: NOOP 999");
}

TEST(SessionTraceTest, WithoutMemoryNothingIsKept) {
  Kept kept;
  SessionTrace trace("1", "", {});
  trace.watch(kept.trace("b@example.org"));
  command(trace, "NOOP");
  command(trace, "RCPT TO:<b@example.org>");
  EXPECT_EQ(kept.lines, (std::vector<std::string>{"C: RCPT TO:<b@example.org>"}));
}

TEST(SessionTraceTest, RecipientIsNamedByAddressOrDomain) {
  EXPECT_TRUE(names_recipient("TO:<b@example.org>", "B@EXAMPLE.ORG"));
  EXPECT_TRUE(names_recipient("TO: <@relay.example:b@example.org> NOTIFY=NEVER", "b@example.org"));
  EXPECT_TRUE(names_recipient("TO:<b@example.org>", "@example.org"));
  EXPECT_FALSE(names_recipient("TO:<b@sub.example.org>", "@example.org"));
  EXPECT_FALSE(names_recipient("TO:<b@example.org>", "bb@example.org"));
  EXPECT_FALSE(names_recipient("TO:<bb@example.org>", "b@example.org"));
  EXPECT_FALSE(names_recipient("TO:b@example.org", "b@example.org"));
}

}  // namespace
}  // namespace lsmtpd::server
