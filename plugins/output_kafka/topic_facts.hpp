// SPDX-License-Identifier: Apache-2.0
// The facts that a topic's acknowledgement rests on, and whether mail may go there. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lsmtpd::kafka {

// As the cluster tells them. Kafka writes a record to the page cache of each replica in sync, and
// syncs later: what survives a power cut is what other replicas have.
struct TopicFacts {
  std::string topic;
  std::string missing;  // why it cannot be written to; empty: it is there
  int partitions = 0;
  int replicas = 0;           // of the partition that has the fewest
  std::string unread;         // why its configuration could not be read; empty: it was
  int min_insync = 0;         // min.insync.replicas
  bool unclean = false;       // unclean.leader.election.enable
  std::string cleanup;        // cleanup.policy
  std::uint64_t largest = 0;  // max.message.bytes: of a batch of records, as it is stored
};

struct TopicVerdict {
  std::string refusal;   // empty: mail may go there
  std::string warning;   // it may, and loses mail where ...
  std::string promises;  // "3 replicas, min.insync.replicas 2, ..."
};

TopicVerdict judge(const TopicFacts& facts, bool allow_lossy_target);

}  // namespace lsmtpd::kafka
