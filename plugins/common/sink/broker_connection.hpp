// SPDX-License-Identifier: Apache-2.0
// A lane's connection to the brokers, whatever its protocol: reached by a Dialer, and again for
// ever when it is lost.
//
// start() once, shut() once. A protocol speaks on the socket that connected() gives it, says to
// `lane_` when the connection is open or lost, and keeps `open_`. [loop]
#pragma once

#include <cstddef>
#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <string_view>

#include "dialer.hpp"

namespace lsmtpd::sink {

class BrokerConnection : protected Dialer::Owner {
 public:
  // The lane.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void step_done(Step step, std::string_view text) = 0;
    // This attempt failed; the next one comes by itself.
    virtual void attempt_failed(Step step, std::string_view why) = 0;
    virtual void connection_open() = 0;
    virtual void connection_lost(std::string_view why) = 0;
    // Sends what there is room for. True: something was.
    virtual bool refill() = 0;
  };

  BrokerConnection(const sdk::LaneHost& host, const ClientOptions& options, Dialing& dialing,
                   Owner& lane)
      : lane_(lane), dialer_(host, options, dialing, static_cast<Dialer::Owner&>(*this)) {}

  void start() { dialer_.start(); }
  // One attempt at url number `index`, for a probe.
  void try_once(std::size_t index) { dialer_.try_once(index); }
  // Gives this connection up, and tries the brokers again.
  virtual void replace(std::string_view why) = 0;
  // Says close to the broker, and calls `done` when that is through or a second has passed.
  virtual void shut(std::function<void()> done) = 0;
  // refill() comes soon.
  virtual void wake() = 0;

  bool is_open() const { return open_; }
  const Dialer& dialer() const { return dialer_; }
  const Url& url() const { return dialer_.url(); }
  // Something can be sent: this broker is good, its loss is no reason to wait before trying it
  // again.
  void proved() { dialer_.proved(); }

 protected:
  // Dialer::Owner
  void step_done(Step step, std::string_view text) override { lane_.step_done(step, text); }
  void attempt_failed(Step step, std::string_view why) override { lane_.attempt_failed(step, why); }

  Owner& lane_;
  Dialer dialer_;
  bool open_ = false;
};

}  // namespace lsmtpd::sink
