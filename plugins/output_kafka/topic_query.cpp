// SPDX-License-Identifier: Apache-2.0
#include "topic_query.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

namespace lsmtpd::kafka {

namespace {

using Metadata = rd_kafka_metadata_t;

struct Free {
  void operator()(const Metadata* each) const { rd_kafka_metadata_destroy(each); }
  void operator()(rd_kafka_topic_t* each) const { rd_kafka_topic_destroy(each); }
  void operator()(rd_kafka_queue_t* each) const { rd_kafka_queue_destroy(each); }
  void operator()(rd_kafka_event_t* each) const { rd_kafka_event_destroy(each); }
  void operator()(rd_kafka_ConfigResource_t* each) const { rd_kafka_ConfigResource_destroy(each); }
  void operator()(rd_kafka_AdminOptions_t* each) const { rd_kafka_AdminOptions_destroy(each); }
};
template <class Each>
using Owned = std::unique_ptr<Each, Free>;

template <class Number>
Number number_of(const char* text) {
  Number value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

void take(const char* name, const char* value, TopicFacts* facts) {
  if (value == nullptr) return;
  const std::string_view key = name;
  if (key == "min.insync.replicas") facts->min_insync = number_of<int>(value);
  if (key == "unclean.leader.election.enable") facts->unclean = std::string_view(value) == "true";
  if (key == "cleanup.policy") facts->cleanup = value;
  if (key == "max.message.bytes") facts->largest = number_of<std::uint64_t>(value);
}

std::string missing(const std::string& topic, rd_kafka_resp_err_t error) {
  if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    return "topic " + topic + " does not exist: create it";
  if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
    return "topic " + topic + " may not be seen: allow the user Describe and Write of it";
  return "topic " + topic + ": " + rd_kafka_err2str(error);
}

void read_topic(const rd_kafka_metadata_topic_t& topic, TopicFacts* facts) {
  facts->partitions = topic.partition_cnt;
  if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    facts->missing = missing(facts->topic, topic.err);
    return;
  }
  facts->replicas = std::numeric_limits<int>::max();
  for (int i = 0; i < topic.partition_cnt; ++i)
    facts->replicas = std::min(facts->replicas, topic.partitions[i].replica_cnt);
  if (topic.partition_cnt == 0) facts->missing = "topic " + facts->topic + " has no partition";
}

// False: no answer came.
bool read_configuration(rd_kafka_event_t* event, TopicFacts* facts) {
  if (const auto failed = rd_kafka_event_error(event); failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const bool lost = failed == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                      failed == RD_KAFKA_RESP_ERR__TRANSPORT ||
                      failed == RD_KAFKA_RESP_ERR__DESTROY;
    if (!lost) facts->unread = rd_kafka_event_error_string(event);
    return !lost;
  }
  std::size_t count = 0;
  const auto* result = rd_kafka_event_DescribeConfigs_result(event);
  const auto* const* resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
  if (count != 1) {
    facts->unread = "the answer does not have it";
    return true;
  }
  if (rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* text = rd_kafka_ConfigResource_error_string(resources[0]);
    facts->unread =
        text != nullptr ? text : rd_kafka_err2str(rd_kafka_ConfigResource_error(resources[0]));
    return true;
  }
  const auto* const* entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (std::size_t i = 0; i < count; ++i)
    take(rd_kafka_ConfigEntry_name(entries[i]), rd_kafka_ConfigEntry_value(entries[i]), facts);
  if (facts->cleanup.empty()) facts->unread = "the answer does not have cleanup.policy";
  return true;
}

// False: no answer came.
bool ask_configuration(rd_kafka_t* handle, int timeout_ms, TopicFacts* facts) {
  const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(handle));
  const Owned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text, sizeof text);
  const Owned<rd_kafka_ConfigResource_t> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, facts->topic.c_str()));
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  rd_kafka_DescribeConfigs(handle, resources, 1, options.get(), queue.get());
  const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms));
  return event != nullptr && read_configuration(event.get(), facts);
}

}  // namespace

ClusterAnswer ask_cluster(rd_kafka_t* handle, std::chrono::milliseconds timeout) {
  ClusterAnswer answer;
  const Metadata* raw = nullptr;
  const auto error = rd_kafka_metadata(handle, 0, nullptr, &raw, static_cast<int>(timeout.count()));
  const Owned<const Metadata> metadata(raw);
  answer.reached = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!answer.reached) {
    answer.error = rd_kafka_err2str(error);
    return answer;
  }
  answer.cluster =
      std::to_string(raw->broker_cnt) + (raw->broker_cnt == 1 ? " broker" : " brokers");
  if (char* id = rd_kafka_clusterid(handle, 0)) {
    answer.cluster += std::string(", cluster ") + id;
    rd_kafka_mem_free(handle, id);
  }
  return answer;
}

TopicAnswer ask_topic(rd_kafka_t* handle, const std::string& name,
                      std::chrono::milliseconds timeout) {
  TopicAnswer answer;
  answer.facts.topic = name;
  const Owned<rd_kafka_topic_t> topic(rd_kafka_topic_new(handle, name.c_str(), nullptr));
  if (topic == nullptr) {
    answer.error = rd_kafka_err2str(rd_kafka_last_error());
    return answer;
  }
  const Metadata* raw = nullptr;
  const int ms = static_cast<int>(timeout.count());
  const auto error = rd_kafka_metadata(handle, 0, topic.get(), &raw, ms);
  const Owned<const Metadata> metadata(raw);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || raw->topic_cnt != 1) {
    answer.error = rd_kafka_err2str(error);
    return answer;
  }
  read_topic(raw->topics[0], &answer.facts);
  answer.reached = true;
  if (!answer.facts.missing.empty()) return answer;

  // Twice: the first question may be lost with its connection.
  const int half = std::max(ms / 2, 1);
  if (!ask_configuration(handle, half, &answer.facts) &&
      !ask_configuration(handle, half, &answer.facts))
    answer.facts.unread = "no answer to DescribeConfigs";
  return answer;
}

}  // namespace lsmtpd::kafka
