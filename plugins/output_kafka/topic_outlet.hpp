// SPDX-License-Identifier: Apache-2.0
// A topic as a lane reaches it (sink/outlet.hpp): looked at before anything is produced to it, and
// again after each connection; then its parts become records as the lane's limits allow.
//
// Records under way are the lane's (it has them by their numbers): librdkafka keeps them over
// connections, so a lost connection ends none. [loop]
#pragma once

#include <librdkafka/rdkafka.h>

#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <sink/backoff.hpp>
#include <sink/outlet.hpp>
#include <string>

#include "delivery_outcome.hpp"
#include "record.hpp"
#include "topic_query.hpp"

namespace lsmtpd::kafka {

class Topic;

// A part on its way: being gathered into one buffer, then librdkafka's until its report comes.
struct Sending {
  Part* part = nullptr;
  Topic* topic = nullptr;
  sdk::Reservation memory;  // of the value and the headers
  Headers headers;
  char* value = nullptr;  // malloc'd, since librdkafka frees it; null once it is librdkafka's
  std::uint64_t size = 0;
  std::uint64_t filled = 0;

  Sending() = default;
  ~Sending();
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;
};

class Topic : public Outlet {
 public:
  // The lane.
  class Cluster {
   public:
    virtual ~Cluster() = default;
    virtual rd_kafka_t* producer() const = 0;  // null: none now
    virtual std::uint64_t batch_bytes() const = 0;
    // Asks for the facts; checked() follows.
    virtual void look_at(Topic& topic) = 0;
    // Takes a part that is on its way from now on, and gives it a number.
    virtual std::uint64_t take(std::unique_ptr<Sending> sending) = 0;
    virtual Sending* sending(std::uint64_t number) = 0;
    // It will have no report: this is its outcome.
    virtual void drop(std::uint64_t number, Outcome outcome) = 0;
    virtual void ended(std::uint64_t number, Verdict verdict) = 0;
    virtual void topic_ready(Topic& topic) = 0;
  };

  Topic(sdk::LaneHost host, const Options& options, std::string name, Outlet::Owner& lane,
        Cluster& cluster);
  ~Topic() override;

  // Outlet
  std::string name() const override { return "topic " + name_; }
  void open() override;
  bool feed() override;
  // The cluster is not there for now.
  void connection_lost(std::string_view why) override;
  // The producer is another one.
  void producer_lost();

  const std::string& topic() const { return name_; }
  void checked(const TopicFacts& facts);
  // It is not as it was.
  void look_again();
  bool ready() const { return phase_ == Phase::ready; }
  std::uint64_t largest() const { return largest_; }
  const std::string& promises() const { return promises_; }
  void one_more() { ++under_way_; }
  void one_less() { --under_way_; }

 private:
  enum class Phase { idle, asking, ready, paused };

  bool has_sent() const override { return under_way_ != 0; }
  std::unique_ptr<Source> source(const Part& part, const sdk::Message& message) const override;
  void pause(std::string_view why);
  bool begin(Part* part);
  bool fill_small(Sending* sending, Source* source);
  bool gather();
  void produce(std::uint64_t number, Sending* sending);

  const Options& options_;
  const std::string name_;
  Cluster& cluster_;
  Phase phase_ = Phase::idle;
  std::uint64_t largest_ = 0;
  std::string promises_;
  std::string warned_;
  std::size_t under_way_ = 0;
  std::vector<std::uint64_t> gathering_;
  rd_kafka_topic_t* raw_ = nullptr;
  Backoff pauses_;
  sdk::Timer timer_;
};

}  // namespace lsmtpd::kafka
