// SPDX-License-Identifier: Apache-2.0
#include "selection.hpp"

#include <gtest/gtest.h>

#include "command_line.hpp"
#include "progress.hpp"
#include "stored_header.hpp"
#include "summary.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

Entry entry(const std::string& from, const std::vector<std::string>& to) {
  Entry made;
  made.id = "id";
  made.size = 1000;
  made.first_ns = kNow - 3600 * kSecond;
  made.mail.sender = from;
  for (const std::string& each : to) made.mail.recipients.push_back({each, {}, 0});
  made.mail.bookkeeping.target = "broker";
  made.reason = "Connection refused";
  made.message_id = "<one@example.org>";
  return made;
}

bool matches(const Selection& selection, const Entry& one) {
  return selection.matches(one, kNow);
}

TEST(Selection, AddressesMatchByPatternAndDomain) {
  const Entry one = entry("ann@Example.org", {"bob@a.example", "eve@b.example"});
  const auto from = [&](const char* pattern) {
    Selection selection;
    selection.from = pattern;
    return matches(selection, one);
  };
  EXPECT_TRUE(from("ann@example.ORG"));
  EXPECT_TRUE(from("<ann@example.org>"));
  EXPECT_TRUE(from("example.org"));
  EXPECT_TRUE(from("*@example.org"));
  EXPECT_TRUE(from("a*@*"));
  EXPECT_TRUE(from("*.org"));
  EXPECT_FALSE(from("ann"));
  EXPECT_FALSE(from("ample.org"));
  EXPECT_FALSE(from("<>"));
  Selection to;
  to.to = "b.example";
  EXPECT_TRUE(matches(to, one)) << "any recipient is enough";
  to.to = "c.example";
  EXPECT_FALSE(matches(to, one));
  Selection null_sender;
  null_sender.from = "<>";
  EXPECT_TRUE(matches(null_sender, entry("", {"bob@a.example"})));
}

TEST(Selection, EveryConditionMustBeMet) {
  const Entry one = entry("ann@example.org", {"bob@a.example"});
  Selection selection;
  EXPECT_FALSE(selection.any());
  selection.reason = "REFUSED";
  selection.output = "broker";
  selection.message_id = "one@";
  selection.older_ns = 3600 * kSecond;
  EXPECT_TRUE(selection.any());
  EXPECT_TRUE(matches(selection, one));
  selection.older_ns = 3601 * kSecond;
  EXPECT_FALSE(matches(selection, one));
  selection.older_ns = 0;
  selection.output = "brok";
  EXPECT_FALSE(matches(selection, one));
}

TEST(Selection, OneThatCannotBeReadIsFoundByItsProblemAndAgeOnly) {
  Entry broken;
  broken.problem = "it is not valid JSON";
  broken.first_ns = kNow - 10 * kSecond;
  Selection selection;
  selection.reason = "not valid";
  selection.older_ns = 5 * kSecond;
  EXPECT_TRUE(matches(selection, broken));
  selection.from = "*";
  EXPECT_FALSE(matches(selection, broken));
}

TEST(Selection, AgesHaveOneUnit) {
  EXPECT_EQ(parse_age("90s"), 90 * kSecond);
  EXPECT_EQ(parse_age("2h"), 7200 * kSecond);
  EXPECT_EQ(parse_age("5d"), 5 * 86400 * kSecond);
  for (const char* wrong : {"", "5", "h", "-1h", "0s", "1h30m", "99999999999d", "1 h"})
    EXPECT_FALSE(parse_age(wrong)) << wrong;
}

TEST(HeaderFields, AFieldIsFoundWhateverItsCaseAndUnfolded) {
  const std::string header =
      "Received: x\r\n\tby y\r\nMESSAGE-id : \r\n <a@b>\r\nSubject: one\r\n  two\r\n\r\nSubject: "
      "no\r\n";
  EXPECT_EQ(header_field(header, "Message-ID"), "<a@b>");
  EXPECT_EQ(header_field(header, "subject"), "one two");
  EXPECT_EQ(header_field(header, "Received"), "x by y");
  EXPECT_EQ(header_field(header, "From"), "");
  EXPECT_EQ(header_field("", "From"), "");
  EXPECT_EQ(header_field("\r\nFrom: body\r\n", "From"), "");
}

TEST(Progress, TheTextHasCountRateAndTimeLeft) {
  EXPECT_EQ(progress_text(1234, 20'000, 2), "1,234 of 20,000, 617 a second, 31 s left");
  EXPECT_EQ(progress_text(10, 0, 1), "10, 10 a second") << "the total is not known";
  EXPECT_EQ(progress_text(0, 5, 0), "0 of 5, 0 a second");
}

TEST(Summary, CountsByOutputReasonAgeAndDomain) {
  Summary summary(kNow);
  summary.add(entry("s@example.org", {"a@One.example", "b@one.example", "c@two.example"}));
  Entry young = entry("s@example.org", {"postmaster"});
  young.first_ns = kNow - 60 * kSecond;
  young.reason = "quota\x1b[31m";
  summary.add(young);
  summary.set_count(State::dead, 7);
  const std::string text = summary.text();
  EXPECT_NE(text.find("waiting: 2, 2.0 KiB, oldest 60 min\ndead: 7\nquarantine: 0\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("         2     2.0 KiB      60 min  broker\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  Connection refused\n"), std::string::npos);
  EXPECT_NE(text.find("  quota\\x1b[31m\n"), std::string::npos);
  EXPECT_NE(text.find("         1      1000 B      60 min  one.example\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("  under 5 min\n"), std::string::npos);
  EXPECT_NE(text.find("  under 6 h\n"), std::string::npos);
  const std::string json = summary.json();
  EXPECT_NE(json.find(R"("dead":{"messages":7})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"({"domain":"one.example","messages":1,"bytes":1000,)"), std::string::npos);
}

TEST(Summary, WordsBeyondTheBoundAreCountedTogether) {
  Summary summary(kNow);
  Entry one = entry("s@example.org", {"a@one.example"});
  for (std::size_t i = 0; i < Summary::kMostWords + 10; ++i) {
    one.reason = std::to_string(i);
    summary.add(one);
  }
  EXPECT_NE(summary.json().find(R"x({"reason":"(others)","messages":10,)x"), std::string::npos);
  EXPECT_NE(summary.text().find("more rows, which --json has\n"), std::string::npos);
}

bool is_wrong(const std::vector<std::string_view>& arguments) {
  return !parse_command_line(arguments);
}

TEST(CommandLine, SelectionsAndIdsExcludeEachOther) {
  EXPECT_TRUE(is_wrong({"rm", "abcd", "--from", "x"}));
  EXPECT_TRUE(is_wrong({"rm", "abcd", "--all"}));
  EXPECT_TRUE(is_wrong({"rm", "--limit", "5"})) << "a limit alone selects nothing";
  EXPECT_TRUE(is_wrong({"rm", "--all"})) << "of which state must be said";
  EXPECT_FALSE(is_wrong({"rm", "--all", "--waiting", "--limit", "5"}));
  EXPECT_FALSE(is_wrong({"rm", "--older", "5d"}));
  EXPECT_FALSE(is_wrong({"rm", "-", "abcd"}));
}

TEST(CommandLine, EachCommandHasItsOwnOptionsOnly) {
  EXPECT_TRUE(is_wrong({"show", "abcd", "--from", "x"}));
  EXPECT_TRUE(is_wrong({"ls", "--dir", "x"}));
  EXPECT_TRUE(is_wrong({"ls", "-"}));
  EXPECT_TRUE(is_wrong({"rm", "abcd", "--subject"}));
  EXPECT_TRUE(is_wrong({"import"}));
  EXPECT_TRUE(is_wrong({"import", "a", "b"}));
  EXPECT_TRUE(is_wrong({"import", "a", "--dead"}));
  EXPECT_TRUE(is_wrong({"move", "abcd"}));
  EXPECT_TRUE(is_wrong({"retry", "--waiting", "--all"}));
  EXPECT_TRUE(is_wrong({"export", "--all"})) << "to where";
  EXPECT_TRUE(is_wrong({"export", "abcd", "-o", "x", "--dir", "y"}));
  EXPECT_TRUE(is_wrong({"ls", "--limit", "0"}));
  EXPECT_TRUE(is_wrong({"ls", "--older", "5"}));
  EXPECT_TRUE(is_wrong({"ls", "--from"}));
  EXPECT_TRUE(is_wrong({"ls", "--from", ""}));
}

TEST(CommandLine, ToIsADirectoryOfMoveAndARecipientElsewhere) {
  const auto move = parse_command_line({"move", "--to", "/dir", "--recipient", "a@b"});
  ASSERT_TRUE(move);
  EXPECT_EQ(move->directory, "/dir");
  EXPECT_EQ(move->selection.to, "a@b");
  EXPECT_TRUE(move->states.waiting && !move->states.dead);
  const auto ls = parse_command_line({"ls", "--to", "a@b"});
  ASSERT_TRUE(ls);
  EXPECT_EQ(ls->selection.to, "a@b");
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
