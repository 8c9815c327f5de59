// SPDX-License-Identifier: Apache-2.0
// A channel for one exchange (sink/outlet.hpp): checks the target, selects confirms, publishes the
// parts that wait as the lane's limits and the socket allow, and matches confirms and returns.
//
// One channel an exchange, because a channel that the broker closes loses the confirms of all that
// was published on it. method() and header() come from the connection. [loop]
#pragma once

#include <deque>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <sink/backoff.hpp>
#include <sink/outlet.hpp>
#include <string>
#include <string_view>

#include "amqp091_connection.hpp"
#include "publication.hpp"
#include "reply_codes.hpp"
#include "target_check.hpp"

namespace lsmtpd::amqp091 {

class Channel : public Outlet {
 public:
  // The channel numbers of the connection, which the broker limits. The lane.
  class Numbers {
   public:
    virtual ~Numbers() = default;
    // One that no channel has; 0: the broker allows no more.
    virtual std::uint16_t free_number() const = 0;
    // A close was sent on it: it is free again when the broker answers.
    virtual void number_closing(std::uint16_t number) = 0;
    virtual void channel_ready(Channel& channel) = 0;
  };

  // `queue` is the routing key where that is fixed and the exchange the default one, else empty.
  Channel(sdk::LaneHost host, const Options& options, std::string exchange, std::string queue,
          Connection& connection, Outlet::Owner& lane, Numbers& numbers);

  // Outlet
  std::string name() const override;  // "exchange mail", "queue mail", "the default exchange"
  void open() override;
  bool feed() override;
  void connection_lost(std::string_view why) override;
  // Closes it.
  void release() override;

  void method(Method method, Reader payload);
  void header(Reader payload);

  bool ready() const { return phase_ == Phase::ready; }
  std::uint16_t number() const { return number_; }
  std::string promises() const;  // for the log and the probe

 private:
  enum class Phase { idle, opening, asking, selecting, ready, paused };

  struct Unconfirmed {
    Part* part = nullptr;  // null once it has its outcome
    bool returned = false;
    Outcome outcome;  // of one that was returned
  };

  bool has_sent() const override { return !unconfirmed_.empty(); }
  std::unique_ptr<Source> source(const Part& part, const sdk::Message& message) const override;
  void ask();
  void leave_number(std::string_view why);
  void select();
  void begin_ready();
  void closed(const Closing& closing);
  void pause(std::string_view why);
  void deadline();
  void settle(const Confirm& confirm, bool ack);
  void finish(Unconfirmed* entry, bool ack);
  void lose_unconfirmed(std::string_view why);
  bool publish(Part* part);
  bool publish_small(Part* part);
  void begin(Part* part, std::uint64_t size);
  bool stream();
  std::size_t piece() const;
  bool room() const;
  void put_body(std::string_view bytes);
  bool too_large_for_broker(Part* part, std::uint64_t bytes);

  const Options& options_;
  std::string exchange_;
  std::string queue_;
  Connection& connection_;
  Numbers& numbers_;
  Phase phase_ = Phase::idle;
  std::uint16_t number_ = 0;
  std::optional<TargetCheck> check_;
  bool flowing_ = true;
  std::deque<Unconfirmed> unconfirmed_;
  std::uint64_t first_tag_ = 1;  // of unconfirmed_
  std::optional<Returned> returned_;
  std::string where_;  // the broker and the target, for the log
  Backoff pauses_;
  std::uint64_t ready_at_ = 0;
  sdk::Timer timer_;  // the wait for an answer, or for the next open
};

}  // namespace lsmtpd::amqp091
