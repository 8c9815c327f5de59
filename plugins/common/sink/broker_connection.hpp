// SPDX-License-Identifier: Apache-2.0
// A lane's connection to the brokers, whatever its protocol: reached by a Dialer, and again for
// ever when it is lost.
//
// start() once, shut() at the end; move() in between, while nothing is unsettled. A protocol speaks
// on the socket that connected() gives it, says to `lane_` when the connection is open or lost, and
// keeps `open_`. [loop]
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
  // One attempt, for a probe or a trial: at url number `index`, at all its addresses or at one.
  void try_once(std::size_t index) { dialer_.try_once(index); }
  void try_once(std::size_t index, const Address& address) { dialer_.try_once(index, address); }
  enum class To { home, next };
  // Closes the connection in order, and opens another one: to its own url, or to the next one. The
  // lane hears of the new one only.
  void move(To where) {
    moving_ = true;
    shut([this, where] {
      moving_ = false;
      where == To::home ? dialer_.go_home() : dialer_.go_on();
    });
  }
  // Where replace() follows, the next url is tried first.
  void leave() { dialer_.leave(); }
  // Gives this connection up, and tries the brokers again.
  virtual void replace(std::string_view why) = 0;
  // Says close to the broker, and calls `done` when that is through or a second has passed. Where
  // that is under way already, only the last `done` is called.
  virtual void shut(std::function<void()> done) = 0;
  // refill() comes soon.
  virtual void wake() = 0;

  bool is_open() const { return open_ && !moving_; }
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

 private:
  bool moving_ = false;
};

}  // namespace lsmtpd::sink
