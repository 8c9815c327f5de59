// SPDX-License-Identifier: Apache-2.0
// Routes: who gets which copy, and the one outcome of several.
#include <gtest/gtest.h>

#include "chain_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using test::ChainHost;
using test::kQueued;
using test::on_loop;
using test::Record;
using test::Settings;

const std::string kId = "11111111-2222-4333-8444-555555555555";

// A chain whose own output is "own", with a route "side" for *@side.example and a second one,
// "far", for *@far.example.
class RoutesTest : public testing::Test {
 protected:
  void own(Settings how = {}) { t_.output(recorded("own", how)); }
  Route& route(const std::string& name, Settings how = {}) {
    if (!table_) table_ = std::make_shared<RouteTable>(RouteTable::Rules{});
    const auto number = static_cast<uint32_t>(t_.chain.routes.size());
    EXPECT_TRUE(table_->add("*@" + name + ".example", number));
    t_.chain.table = table_;
    Route& made = t_.chain.routes.emplace_back();
    made.name = name;
    made.outputs.push_back({&t_.lane(recorded(name, how)), nullptr, nullptr});
    return made;
  }
  config::Plugin recorded(const std::string& name, Settings how) {
    auto entry = t_.entry(name, "test_output", how);
    entry.options["record"] = {{record_.file(), {}}, {}};
    return entry;
  }
  void send(std::vector<std::string> to) {
    t_.start(t_.mail("Subject: x\r\n\r\nhello\r\n", std::move(to)));
  }
  // "COPY to=<...>" of each delivery.
  std::vector<std::string> deliveries() const {
    std::vector<std::string> all;
    for (const auto& line : record_.lines()) {
      if (!line.starts_with("deliver ")) continue;
      const std::string copy = line.substr(8, line.find(' ', 8) - 8);
      const size_t to = line.find(" to=<");
      all.push_back(copy.substr(std::min(kId.size(), copy.size())) +
                    (to == std::string::npos ? "" : line.substr(to)));
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  std::vector<std::string> replies() {
    std::vector<std::string> all;
    for (const auto& reply : t_.outcome().recipients)
      all.push_back(std::to_string(reply.code) + " " + reply.enhanced);
    return all;
  }
  using Lines = std::vector<std::string>;

  Record record_{"routes"};
  ChainHost t_;
  std::shared_ptr<RouteTable> table_;
};

TEST_F(RoutesTest, EachRouteGetsItsRecipientsOnly) {
  own();
  route("side");
  route("far");
  send({"a@x.example", "b@side.example", "c@far.example", "d@side.example"});
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(deliveries(), (Lines{" to=<a@x.example>", ".far.far to=<c@far.example>",
                                 ".side.side to=<b@side.example> to=<d@side.example>"}));
  const auto outcome = t_.outcome();
  EXPECT_EQ(outcome.routes, (Lines{"", "side", "far"}));
  EXPECT_EQ(outcome.outputs, (Lines{"own", "side", "far"}));
  EXPECT_FALSE(outcome.mixed);
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0"}));
}

TEST_F(RoutesTest, AMessageOfOneRouteHasOneCopy) {
  own();
  route("side");
  send({"b@side.example"});
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(deliveries(), (Lines{".side.side to=<b@side.example>"}));
  EXPECT_EQ(t_.outcome().routes, (Lines{"side"}));
}

TEST_F(RoutesTest, OneTempfailIs451ForAll) {
  own();
  route("side", {{"verdict", "tempfail"}});
  route("far", {{"verdict", "reject"}});
  send({"a@x.example", "b@side.example", "c@far.example"});
  EXPECT_EQ(t_.reply(), "451 4.3.0 Message is not stored for all recipients, try again later");
  const auto outcome = t_.outcome();
  EXPECT_EQ(outcome.fate, Fate::tempfail);
  EXPECT_TRUE(outcome.mixed);
  EXPECT_EQ(outcome.outputs, (Lines{"own"}));
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "451 4.3.0", "554 5.7.1"}));
  ASSERT_EQ(outcome.told.size(), 3u);
  EXPECT_EQ(outcome.told[0].substr(0, 27), "<a@x.example> stored by own");
  EXPECT_EQ(outcome.told[1], "<b@side.example> tempfail by side: test_output was told so");
}

TEST_F(RoutesTest, OneRefusalIs554WhereNoneTempfailed) {
  own();
  route("side", {{"verdict", "reject"}, {"code", "550"}});
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.reply(), "554 5.3.0 Message refused for some recipients");
  EXPECT_EQ(t_.outcome().fate, Fate::rejected);
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "550 5.7.1"}));
}

TEST_F(RoutesTest, WhereNothingIsStoredTheReplyIsThePlugins) {
  own({{"verdict", "reject"}, {"code", "550"}, {"enhanced", "5.2.1"}, {"text", "gone"}});
  route("side", {{"verdict", "reject"}});
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.reply(), "550 5.2.1 gone");
  EXPECT_FALSE(t_.outcome().mixed);
}

TEST_F(RoutesTest, ARoutesFilterIsAskedForItsRecipientsOnly) {
  own();
  auto& side = route("side");
  side.filters.push_back(&t_.lane("f", "bad_filter", {{"mode", "reject"}, {"code", "550"}}));
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.outcome().fate, Fate::rejected);
  EXPECT_EQ(deliveries(), (Lines{" to=<a@x.example>"}));
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "550 5.7.1"}));
  EXPECT_TRUE(t_.outcome().by_filter);
}

TEST_F(RoutesTest, ARoutesFilterMayDiscardItsCopy) {
  own();
  auto& side = route("side");
  side.filters.push_back(&t_.lane("f", "bad_filter", {{"mode", "discard"}}));
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(deliveries(), (Lines{" to=<a@x.example>"}));
  EXPECT_EQ(t_.outcome().fate, Fate::stored);
}

TEST_F(RoutesTest, ALargeMessageIsRefusedForTheRouteThatTakesSmallOnes) {
  own();
  route("side", {{"max", "10"}});
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.reply(), "554 5.3.0 Message refused for some recipients");
  EXPECT_EQ(deliveries(), (Lines{" to=<a@x.example>"}));
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "552 5.3.4"}));
}

TEST_F(RoutesTest, ARouteWithoutAFallbackIsTempfailedAtItsDeadline) {
  own();
  route("side", {{"verdict", "never"}});
  send({"a@x.example", "b@side.example"});
  EXPECT_TRUE(t_.run_until([this] { return deliveries().size() == 2; }));
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().fate, Fate::tempfail);
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "451 4.3.0"}));
}

TEST_F(RoutesTest, TheChainsDeadlineEndsARoutesFilter) {
  own();
  auto& side = route("side");
  auto entry = t_.entry("f", "bad_filter", {{"mode", "never"}});
  entry.deadline = 60'000;
  side.filters.push_back(&t_.lane(std::move(entry)));
  send({"a@x.example", "b@side.example"});
  EXPECT_TRUE(t_.run_until([this] { return deliveries().size() == 1; }));
  t_.advance(30'000);
  EXPECT_EQ(t_.outcome().fate, Fate::tempfail);
  EXPECT_EQ(replies(), (Lines{"250 2.0.0", "451 4.7.1"}));
}

TEST_F(RoutesTest, AClientThatLeavesBeforeAnyOutputBeganStoresNothing) {
  own();
  route("side").filters.push_back(&t_.lane("f", "bad_filter", {{"mode", "never"}}));
  send({"b@side.example"});
  bool cancelled = false;
  on_loop(t_.loop, [&] { cancelled = t_.chain_run->cancel(); });
  EXPECT_TRUE(cancelled);
  t_.advance(60'000);
  EXPECT_EQ(t_.outcomes, 0);
  EXPECT_TRUE(deliveries().empty());
}

TEST_F(RoutesTest, AClientThatLeavesLaterCancelsNothing) {
  own();
  route("side").filters.push_back(&t_.lane("f", "bad_filter", {{"mode", "never"}}));
  send({"a@x.example", "b@side.example"});
  bool cancelled = true;
  on_loop(t_.loop, [&] { cancelled = t_.chain_run->cancel(); });
  EXPECT_FALSE(cancelled);
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().fate, Fate::tempfail);
  EXPECT_EQ(deliveries(), (Lines{" to=<a@x.example>"}));
}

// The filter of mode "edits" removes the first recipient and adds added@example.org.
TEST_F(RoutesTest, RecipientsAreLookedUpAgainBehindTheChainsFilters) {
  own();
  route("side");
  ASSERT_TRUE(table_->add("added@example.org", 1));
  t_.filter(t_.entry("f", "bad_filter", {{"mode", "edits"}}));
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(deliveries(), (Lines{".side.side to=<b@side.example> to=<added@example.org> "
                                 "bad_filter.note=edited"}));
}

TEST_F(RoutesTest, ARecipientThatAFilterReplacedHasTheOutcomeOfTheMessage) {
  own({{"verdict", "reject"}});
  route("side");
  t_.filter(t_.entry("f", "bad_filter", {{"mode", "edits"}}));
  send({"a@x.example", "b@side.example"});
  EXPECT_EQ(t_.reply(), "554 5.3.0 Message refused for some recipients");
  EXPECT_EQ(replies(), (Lines{"554 5.3.0", "250 2.0.0"}));
  EXPECT_EQ(t_.outcome().told[0], "<a@x.example> replaced by a filter");
}

// So it is without routes, where an output answers recipient by recipient.
TEST_F(RoutesTest, AReplacedRecipientOfOneRouteHasTheOutcomeToo) {
  own({{"verdicts", "rs"}});
  t_.filter(t_.entry("f", "bad_filter", {{"mode", "edits"}}));
  send({"a@x.example", "b@x.example"});
  EXPECT_EQ(t_.outcome().fate, Fate::rejected);
  EXPECT_EQ(replies(), (Lines{"554 5.7.1", "554 5.7.1"}));
}

TEST_F(RoutesTest, TheSameAddressTwiceHasTwoReplies) {
  own();
  route("side", {{"verdict", "reject"}});
  send({"b@side.example", "a@x.example", "b@side.example"});
  EXPECT_EQ(t_.outcome().fate, Fate::rejected);
  EXPECT_EQ(replies(), (Lines{"554 5.7.1", "250 2.0.0", "554 5.7.1"}));
}

TEST_F(RoutesTest, TheChainTakesMailWhileOneRouteIsReady) {
  own({{"ready", "false"}, {"max", "10"}});
  auto& side = route("side", {{"max", "1000"}});
  plugin::Admission of_chain, of_side, of_own;
  on_loop(t_.loop, [&] {
    of_chain = t_.chain.admission();
    of_side = side.admission();
    of_own = t_.chain.own().admission();
  });
  EXPECT_TRUE(of_chain.ready);
  EXPECT_EQ(of_chain.max_message_size, 1000u);
  EXPECT_TRUE(of_side.ready);
  EXPECT_FALSE(of_own.ready);
}

TEST_F(RoutesTest, TheChainTakesNoMailWhileNoRouteIsReady) {
  own({{"ready", "false"}});
  route("side", {{"ready", "false"}});
  plugin::Admission of_chain;
  on_loop(t_.loop, [&] { of_chain = t_.chain.admission(); });
  EXPECT_FALSE(of_chain.ready);
  EXPECT_EQ(
      of_chain.reason,
      "own: test_output was told not to be ready; side: test_output was told not to be ready");
}

TEST_F(RoutesTest, ARouteWithoutALimitLeavesTheChainWithoutOne) {
  own({{"max", "10"}});
  route("side");
  plugin::Admission of_chain;
  on_loop(t_.loop, [&] { of_chain = t_.chain.admission(); });
  EXPECT_EQ(of_chain.max_message_size, 0u);
}

}  // namespace
}  // namespace lsmtpd::pipeline
