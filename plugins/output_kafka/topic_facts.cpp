// SPDX-License-Identifier: Apache-2.0
#include "topic_facts.hpp"

namespace lsmtpd::kafka {

namespace {

constexpr int kReplicas = 3;
constexpr int kMinInsync = 2;

std::string promises_of(const TopicFacts& facts) {
  std::string text =
      std::to_string(facts.replicas) + (facts.replicas == 1 ? " replica" : " replicas") + ", " +
      std::to_string(facts.partitions) + (facts.partitions == 1 ? " partition" : " partitions");
  if (!facts.unread.empty()) return text + "; its configuration could not be read";
  return text + ", min.insync.replicas " + std::to_string(facts.min_insync) +
         ", unclean.leader.election.enable " + (facts.unclean ? "true" : "false") +
         ", max.message.bytes " + std::to_string(facts.largest);
}

// Why what it acknowledged may be lost; empty: it is not, as far as is known.
std::string weakness_of(const TopicFacts& facts) {
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (facts.replicas < kReplicas)
    add("replication factor " + std::to_string(facts.replicas) + " is below " +
        std::to_string(kReplicas));
  if (!facts.unread.empty()) {
    add("its configuration cannot be read (" + facts.unread +
        "): allow the user DescribeConfigs of the topic");
    return text;
  }
  if (facts.min_insync < kMinInsync)
    add("min.insync.replicas " + std::to_string(facts.min_insync) + " is below " +
        std::to_string(kMinInsync));
  if (facts.unclean) add("unclean.leader.election.enable is true");
  return text;
}

}  // namespace

TopicVerdict judge(const TopicFacts& facts, bool allow_lossy_target) {
  TopicVerdict verdict;
  if (!facts.missing.empty()) {
    verdict.refusal = facts.missing;
    return verdict;
  }
  verdict.promises = promises_of(facts);
  if (facts.cleanup.find("compact") != std::string::npos) {
    verdict.refusal = "cleanup.policy is " + facts.cleanup +
                      ": compaction removes mail whose key comes again; set it to delete";
    return verdict;
  }
  const std::string weakness = weakness_of(facts);
  if (weakness.empty()) return verdict;
  if (allow_lossy_target) {
    verdict.warning =
        weakness + ": a power cut, or the loss of brokers, may lose mail that got a 250";
  } else {
    verdict.refusal = weakness + "; allow_lossy_target allows it";
  }
  return verdict;
}

}  // namespace lsmtpd::kafka
