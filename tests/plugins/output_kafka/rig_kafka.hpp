// SPDX-License-Identifier: Apache-2.0
// output_kafka on the fake host, against the mock cluster that is built into librdkafka: it speaks
// the protocol on loopback, takes records and throws them away. It does not know DescribeConfigs.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <string>

#include "output_rig.hpp"

namespace lsmtpd::kafka::test {

constexpr std::int16_t kProduce = 0;  // of the protocol's requests

class Cluster {
 public:
  explicit Cluster(int brokers = 3, int replicas = 3) {
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    mock_ = rd_kafka_mock_cluster_new(handle_, brokers);
    rd_kafka_mock_topic_create(mock_, "mail", 1, replicas);
  }
  ~Cluster() {
    rd_kafka_mock_cluster_destroy(mock_);
    rd_kafka_destroy(handle_);
  }
  // One of them: it names the others.
  std::string broker() const {
    const std::string all = rd_kafka_mock_cluster_bootstraps(mock_);
    return all.substr(0, all.find(','));
  }
  rd_kafka_mock_cluster_t* raw() const { return mock_; }
  void down() {
    each([this](int id) { rd_kafka_mock_broker_set_down(mock_, id); });
  }
  void up() {
    each([this](int id) { rd_kafka_mock_broker_set_up(mock_, id); });
  }
  void answer_in(int ms) {
    each([&](int id) { rd_kafka_mock_broker_set_rtt(mock_, id, ms); });
  }
  // The next answers to Produce.
  void refuse(rd_kafka_resp_err_t error, int times = 1) {
    for (int i = 0; i < times; ++i) rd_kafka_mock_push_request_errors(mock_, kProduce, 1, error);
  }

 private:
  template <class Function>
  void each(Function function) {
    for (int id = 1; id <= 3; ++id) function(id);
  }
  rd_kafka_t* handle_;
  rd_kafka_mock_cluster_t* mock_;
};

class Rig : public lsmtpd::test::OutputRig {
 public:
  Rig& option(const char* key, const std::string& value) {
    OutputRig::option(key, value);
    return *this;
  }
  void begin(const Cluster& cluster, const std::string& topic = "mail") {
    option("brokers", cluster.broker()).option("topic", topic);
    option("allow_lossy_target", "true");  // the configuration of a topic cannot be asked for
    option("connect_timeout", "1s");       // and waiting for that is over soon
    option("reconnect_last", "300ms");
    ASSERT_EQ(start(), 0) << errors();
    lsmtpd_test_real_time(raw(), 1);
  }
  void open(const Cluster& cluster) {
    begin(cluster);
    ASSERT_TRUE(said("ready to publish"));
  }
  bool said(const std::string& text) {
    return until([&] { return contains(log(), text); });
  }
  std::string reason() {
    const lsmtpd_admission asked = admission();
    return std::string(asked.reason.data, asked.reason.size);
  }
  // After close(): once its producer is destroyed.
  bool closed() {
    return until([this] { return raw()->lane->closed != 0; });
  }
  static bool in_doubt(const lsmtpd_test_verdict& verdict) {
    return (verdict.flags & LSMTPD_IN_DOUBT) != 0;
  }
};

inline std::string large_mail() {
  std::string content;
  for (int i = 0; content.size() < 1'500'000; ++i) content += "line " + std::to_string(i) + "\r\n";
  return content;
}

}  // namespace lsmtpd::kafka::test
