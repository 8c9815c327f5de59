// SPDX-License-Identifier: Apache-2.0
// The stream (sink/outlet.hpp): asks the server what it is, and again from time to time; publishes
// the parts that wait as the lane's limits and the socket allow; and matches the answers.
//
// answered() and denied() come from the connection. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <memory>
#include <sink/backoff.hpp>
#include <sink/outlet.hpp>
#include <string>
#include <string_view>

#include "nats_connection.hpp"
#include "publish_answer.hpp"
#include "stream_check.hpp"

namespace lsmtpd::nats {

class StreamOutlet : public Outlet {
 public:
  // The lane.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void stream_ready(StreamOutlet& outlet) = 0;
  };

  StreamOutlet(sdk::LaneHost host, const Options& options, Connection& connection,
               Outlet::Owner& lane, Events& events);

  // Outlet
  std::string name() const override { return "stream " + options_.stream; }
  void open() override;
  bool feed() override;
  void connection_lost(std::string_view why) override;
  void release() override { timer_.cancel(); }

  void answered(const Answer& answer);
  void denied(const std::string& why);

  const std::string& promises() const { return check_.promises; }
  // Of a message with its headers, by server, stream and options; 0: not known yet.
  std::uint64_t limit() const { return limit_; }

 private:
  enum class Phase { idle, asking, ready, paused };

  bool has_sent() const override { return !sent_.empty(); }
  std::unique_ptr<Source> source(const Part& part, const sdk::Message& message) const override;
  void ask();
  void ask_soon();
  void no_answer();
  void learn(const Answer& answer);
  void begin_ready();
  void pause(std::string_view why);
  bool publish(Part* part);
  bool publish_small(Part* part);
  bool begin(Part* part, std::uint64_t size);
  bool stream();
  void send();
  void unreadable(Part* part);
  void finish(Part* part, Outcome outcome);

  const Options& options_;
  Connection& connection_;
  Events& events_;
  Phase phase_ = Phase::idle;
  StreamCheck check_;
  std::uint64_t limit_ = 0;
  std::uint64_t question_ = 0;  // its number; what is asked is not answered while asked_
  bool asked_ = false;
  std::uint64_t number_ = 0;             // of the last publication
  std::map<std::uint64_t, Part*> sent_;  // by its number
  Publication building_;                 // of current_
  std::string where_;                    // the server and the stream, for the log
  std::string warned_;
  Backoff pauses_;
  std::uint64_t ready_at_ = 0;
  sdk::Timer timer_;  // the wait for an answer, for the next question, or for the next open
};

}  // namespace lsmtpd::nats
