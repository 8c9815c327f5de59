// SPDX-License-Identifier: Apache-2.0
// Questions to the cluster: whether it answers, and what a topic is. They block for up to the
// timeout: never on a loop (clerk.hpp).
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <string>

#include "topic_facts.hpp"

namespace lsmtpd::kafka {

struct ClusterAnswer {
  bool reached = false;
  std::string error;    // why not
  std::string cluster;  // "3 brokers, cluster Some-Id"
};
ClusterAnswer ask_cluster(rd_kafka_t* handle, std::chrono::milliseconds timeout);

struct TopicAnswer {
  bool reached = false;
  std::string error;
  TopicFacts facts;
};
// A topic that is missing is told at once, and is not made.
TopicAnswer ask_topic(rd_kafka_t* handle, const std::string& topic,
                      std::chrono::milliseconds timeout);

}  // namespace lsmtpd::kafka
