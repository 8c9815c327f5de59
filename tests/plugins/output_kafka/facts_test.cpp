// SPDX-License-Identifier: Apache-2.0
// Which topics take mail, and from delivery reports to outcomes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery_outcome.hpp"
#include "record.hpp"
#include "topic_facts.hpp"

namespace lsmtpd::kafka {
namespace {

using testing::HasSubstr;

TopicFacts safe() {
  TopicFacts facts;
  facts.topic = "mail";
  facts.partitions = 6;
  facts.replicas = 3;
  facts.min_insync = 2;
  facts.cleanup = "delete";
  facts.largest = 1'048'588;
  return facts;
}

TEST(Topic, OfThreeReplicasTwoInSyncIsTaken) {
  const TopicVerdict verdict = judge(safe(), false);
  EXPECT_EQ(verdict.refusal, "");
  EXPECT_EQ(verdict.warning, "");
  EXPECT_EQ(verdict.promises,
            "3 replicas, 6 partitions, min.insync.replicas 2, unclean.leader.election.enable "
            "false, max.message.bytes 1048588");
}

TEST(Topic, ThatMayLoseIsRefusedUnlessItIsAllowed) {
  TopicFacts few = safe(), lonely = safe(), unclean = safe(), unread = safe();
  few.replicas = 2;
  lonely.min_insync = 1;
  unclean.unclean = true;
  unread.unread = "denied";
  const std::pair<TopicFacts, const char*> cases[] = {
      {few, "replication factor 2 is below 3"},
      {lonely, "min.insync.replicas 1 is below 2"},
      {unclean, "unclean.leader.election.enable is true"},
      {unread, "allow the user DescribeConfigs"}};
  for (const auto& [facts, why] : cases) {
    EXPECT_THAT(judge(facts, false).refusal, HasSubstr(why));
    EXPECT_THAT(judge(facts, false).refusal, HasSubstr("allow_lossy_target allows it"));
    EXPECT_EQ(judge(facts, true).refusal, "");
    EXPECT_THAT(judge(facts, true).warning, HasSubstr(why));
  }
}

TEST(Topic, ThatIsCompactedIsAlwaysRefused) {
  for (const char* policy : {"compact", "compact,delete", "delete,compact"}) {
    TopicFacts facts = safe();
    facts.cleanup = policy;
    EXPECT_THAT(judge(facts, true).refusal, HasSubstr("compaction removes mail")) << policy;
  }
}

TEST(Topic, ThatIsMissingIsAlwaysRefused) {
  TopicFacts facts = safe();
  facts.missing = "topic mail does not exist: create it";
  EXPECT_EQ(judge(facts, true).refusal, facts.missing);
}

Verdict of(rd_kafka_resp_err_t error,
           rd_kafka_msg_status_t status = RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
  return outcome_of({error, status, "mail", 2, 17});
}

TEST(Report, WithoutAnErrorIsStored) {
  const Verdict verdict = of(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED);
  EXPECT_EQ(verdict.outcome.kind, Kind::stored);
  EXPECT_EQ(verdict.outcome.detail, "mail[2]@17");
}

TEST(Report, ThatItIsPersistedIsStoredWhateverTheError) {
  EXPECT_EQ(of(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_MSG_STATUS_PERSISTED).outcome.kind,
            Kind::stored);
}

TEST(Report, ThatItIsPossiblyPersistedIsInDoubt) {
  for (const auto error :
       {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND}) {
    const Verdict verdict = of(error, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
    EXPECT_EQ(verdict.outcome.kind, Kind::tempfail) << error;
    EXPECT_TRUE(verdict.outcome.in_doubt) << error;
    EXPECT_STREQ(verdict.outcome.enhanced, "4.4.2");
  }
}

TEST(Report, ThatItIsNotPersistedIsATempfail) {
  for (const auto error : {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__PURGE_QUEUE,
                           RD_KAFKA_RESP_ERR__QUEUE_FULL, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS}) {
    EXPECT_EQ(of(error).outcome.kind, Kind::tempfail) << error;
    EXPECT_FALSE(of(error).outcome.in_doubt) << error;
    EXPECT_EQ(of(error).outcome.code, 451U);
  }
}

TEST(Report, OfARecordThatNoBrokerTakesIsRefused) {
  const Verdict verdict = of(RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
  EXPECT_EQ(verdict.outcome.kind, Kind::rejected);
  EXPECT_EQ(verdict.outcome.code, 554U);
}

TEST(Report, OfRightsIsATempfailThatAnOperatorHasToSee) {
  for (const auto error : {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                           RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED}) {
    EXPECT_EQ(of(error).outcome.kind, Kind::tempfail);
    EXPECT_EQ(of(error).cause, Cause::denied);
  }
}

// A topic that was compacted meanwhile takes no record without a key: no fault of the message.
TEST(Report, OfAnInvalidRecordIsATempfailAndTheTopicIsLookedAt) {
  const Verdict verdict = of(RD_KAFKA_RESP_ERR_INVALID_RECORD);
  EXPECT_EQ(verdict.outcome.kind, Kind::tempfail);
  EXPECT_EQ(verdict.cause, Cause::changed);
}

// The limit was lowered since: the batch was too large, and not each of its records.
TEST(Report, OfABatchThatIsTooLargeIsATempfailAndTheTopicIsLookedAt) {
  const Verdict verdict = of(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  EXPECT_EQ(verdict.outcome.kind, Kind::tempfail);
  EXPECT_EQ(verdict.cause, Cause::changed);
}

TEST(Size, OfABatchIsThatOfItsFormat) {
  // 61 of the batch; the record's length, 6 fixed octets of it, and the value.
  EXPECT_EQ(batch_size(nullptr, 10, {}), 61U + 1 + 3 + 1 + 1 + 10 + 1);
  EXPECT_EQ(batch_size(nullptr, 63, {}), 61U + 2 + 3 + 1 + 1 + 63 + 1);
  EXPECT_EQ(batch_size(nullptr, 64, {}), 61U + 2 + 3 + 1 + 2 + 64 + 1);
  const std::string key = "key";
  EXPECT_EQ(batch_size(&key, 10, {}), 61U + 1 + 3 + 4 + 1 + 10 + 1);
  EXPECT_EQ(batch_size(nullptr, 10, {{"a", "bc"}}), 61U + 1 + 3 + 1 + 1 + 10 + 1 + 2 + 3);
}

TEST(Size, IsAnnouncedWithRoomForHeaders) {
  Options options;
  options.format = Format::rfc822;
  options.property_limit = 4096;
  EXPECT_EQ(announced(0, options), 0U);
  EXPECT_EQ(announced(1'048'588, options), 1'048'588U - 3 * 4096);
  options.format = Format::json;
  EXPECT_EQ(announced(80'000 + 3 * 4096, options), 70'000U);
  options.format = Format::rfc822;
  EXPECT_EQ(announced(8000, options), 4000U);
}

TEST(Name, OfATopicHasLettersDigitsAndThreeMore) {
  for (const char* good : {"mail", "mail.example-org_1", "A", "..."})
    EXPECT_TRUE(is_topic_name(good));
  for (const char* bad : {"", ".", "..", "a%40b", "a b", "a/b"}) EXPECT_FALSE(is_topic_name(bad));
  EXPECT_TRUE(is_topic_name(std::string(249, 'x')));
  EXPECT_FALSE(is_topic_name(std::string(250, 'x')));
}

}  // namespace
}  // namespace lsmtpd::kafka
