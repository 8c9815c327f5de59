// SPDX-License-Identifier: Apache-2.0
// The questions about a target, and how the answers are judged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reply_codes.hpp"
#include "target_check.hpp"

namespace lsmtpd::amqp091 {
namespace {

using testing::HasSubstr;
using Question = TargetCheck::Question;

Fields rabbitmq(const char* version) {
  return {{"product", "RabbitMQ"}, {"version", version}};
}

Closing inequivalent(const char* argument, const char* current) {
  return {406, std::string("PRECONDITION_FAILED - inequivalent arg '") + argument +
                   "' for queue 'q' in vhost '/': received 'quorum' but current is '" + current +
                   "'"};
}

TEST(Version, ClassicQueuesAreSyncedBefore313) {
  EXPECT_TRUE(syncs_classic_queues("3.10.8"));
  EXPECT_TRUE(syncs_classic_queues("3.12.14"));
  EXPECT_FALSE(syncs_classic_queues("3.13.0"));
  EXPECT_FALSE(syncs_classic_queues("4.0.5"));
  EXPECT_FALSE(syncs_classic_queues("10.1"));
}

TEST(TargetCheck, AQueueIsLookedForAndThenAskedForItsType) {
  const Options options;
  TargetCheck check(options, "", "q", rabbitmq("4.0.5"));
  EXPECT_EQ(check.question(), Question::queue_passive);
  check.answered();
  EXPECT_EQ(check.question(), Question::queue_type);
  check.answered();
  EXPECT_EQ(check.question(), Question::none);
  EXPECT_EQ(check.refusal(), "");
  EXPECT_THAT(check.promises(), HasSubstr("quorum"));
}

TEST(TargetCheck, AnExchangeIsLookedForAndItsQueuesAreAWarning) {
  const Options options;
  TargetCheck check(options, "x", "", rabbitmq("4.0.5"));
  EXPECT_EQ(check.question(), Question::exchange);
  check.answered();
  EXPECT_EQ(check.question(), Question::none);
  EXPECT_EQ(check.refusal(), "");
  EXPECT_THAT(check.warning(), HasSubstr("cannot be asked"));
}

TEST(TargetCheck, AClassicQueueOf313IsRefusedUnlessAllowed) {
  for (const bool allowed : {false, true}) {
    Options options;
    options.allow_unsynced_target = allowed;
    TargetCheck check(options, "", "q", rabbitmq("4.0.5"));
    check.answered();
    EXPECT_TRUE(check.closed(inequivalent("x-queue-type", "classic")));
    EXPECT_EQ(check.refusal().empty(), allowed);
    EXPECT_EQ(check.warning().empty(), !allowed);
  }
}

TEST(TargetCheck, AClassicQueueBefore313IsSynced) {
  const Options options;
  TargetCheck check(options, "", "q", rabbitmq("3.10.8"));
  check.answered();
  EXPECT_TRUE(check.closed(inequivalent("x-queue-type", "classic")));
  EXPECT_EQ(check.refusal(), "");
  EXPECT_EQ(check.warning(), "");
}

TEST(TargetCheck, AMissingQueueAndADeclaredTypeThatDiffersAreRefused) {
  Options options;
  TargetCheck missing(options, "", "q", rabbitmq("4.0.5"));
  EXPECT_FALSE(missing.closed({404, "NOT_FOUND - no queue 'q'"}));
  EXPECT_THAT(missing.refusal(), HasSubstr("404"));
  options.declare = "quorum";
  TargetCheck other(options, "", "q", rabbitmq("4.0.5"));
  EXPECT_EQ(other.question(), Question::queue_type);
  EXPECT_FALSE(other.closed(inequivalent("x-queue-type", "classic")));
  EXPECT_THAT(other.refusal(), HasSubstr("'classic'"));
}

TEST(TargetCheck, AnotherArgumentOrPermissionLeavesTheTypeUnknown) {
  const Options options;
  for (const Closing& closing :
       {inequivalent("x-max-length", "5"), Closing{403, "ACCESS_REFUSED"}}) {
    TargetCheck check(options, "", "q", rabbitmq("4.0.5"));
    check.answered();
    EXPECT_TRUE(check.closed(closing));
    EXPECT_EQ(check.refusal(), "");
    EXPECT_THAT(check.warning(), HasSubstr("cannot be asked"));
  }
}

TEST(LostUnconfirmed, CodesOfABrokerThatClosesDownPass) {
  EXPECT_TRUE(lost_unconfirmed("320 CONNECTION_FORCED").cause_passes);
  EXPECT_TRUE(lost_unconfirmed("404 NOT_FOUND - no exchange").cause_passes);
  EXPECT_FALSE(lost_unconfirmed("541 INTERNAL_ERROR").cause_passes);
  EXPECT_FALSE(lost_unconfirmed("the broker closed the connection").cause_passes);
  EXPECT_TRUE(lost_unconfirmed("x").in_doubt);
}

}  // namespace
}  // namespace lsmtpd::amqp091
