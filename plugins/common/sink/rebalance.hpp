// SPDX-License-Identifier: Apache-2.0
// Brings a lane's connection back to the broker that it prefers, once that is there again.
//
// Every now and then, at times that differ by chance, a connection that is elsewhere has a trial
// made: a second connection as far as its login, which lasts for a second and is closed. Only where
// that went well the lane is told, and moves. A name's address is preferred only where the name had
// the same addresses at the check before: a name server that gives each time some others leads to
// no moves. connected() and lost() tell of the lane's own connection. [loop]
#pragma once

#include <cstdint>
#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <string>

#include "broker_connection.hpp"

namespace lsmtpd::sink {

// How long a connection that is elsewhere waits before it checks again, in milliseconds: from half
// the interval to one and a half. `dice` is any random number.
inline std::uint64_t rebalance_pause(std::uint64_t interval_ms, std::uint64_t dice) {
  return interval_ms / 2 + dice % (interval_ms + 1);
}

class Rebalance : private BrokerConnection::Owner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // A connection that is not the lane's own.
    virtual std::unique_ptr<BrokerConnection> make_trial(BrokerConnection::Owner& owner) = 0;
    // The preferred broker is there. connected() or again() follows.
    virtual void home_is_good() = 0;
  };

  Rebalance(sdk::LaneHost host, const ClientOptions& options, Dialing& dialing,
            const BrokerConnection& connection, Owner& lane);

  void connected() { again(); }
  void lost();
  // The next check comes by itself.
  void again();
  // The preferred broker was no good after all: the check after the next again() comes late.
  void rest() { resting_ = true; }
  // Ends what is under way, and calls `done`, now or later. Nothing else follows.
  void stop(std::function<void()> done);

 private:
  // BrokerConnection::Owner, of the trial
  void step_done(Step, std::string_view) override {}
  void attempt_failed(Step step, std::string_view why) override;
  void connection_open() override;
  void connection_lost(std::string_view why) override;
  bool refill() override { return false; }

  void check();
  void compare(const std::vector<Address>& addresses);
  void begin_trial();
  void end_trial(bool good);
  void trial_ended();

  sdk::LaneHost host_;
  const ClientOptions& options_;
  Dialing& dialing_;
  const BrokerConnection& connection_;
  Owner& lane_;
  sdk::Timer timer_;       // until the next check, and the steps of a trial
  std::string addresses_;  // of the name at the check before
  std::unique_ptr<BrokerConnection> trial_;
  bool ending_ = false;  // the trial is
  bool good_ = false;    // it was
  bool resting_ = false;
  std::uint64_t check_ = 0;  // an answer of the book to an older one is ignored
  std::function<void()> stopped_;
};

}  // namespace lsmtpd::sink
