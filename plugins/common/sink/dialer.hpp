// SPDX-License-Identifier: Apache-2.0
// Reaches a broker: looks its name up, connects to its addresses one after the other, goes on to
// the next broker, and starts again for ever, with pauses. A name with several addresses is one
// broker: an attempt goes through them until one comes as far as opened(), each with its share of
// `connect_timeout`.
//
// The owner speaks the protocol on the socket that connected() gives it, and says failed() where
// that ends before the connection is open, opened() once it is, proved() when the broker is known
// to be a good one, and lost() when an open connection ends. start() once. It may be destroyed
// after stop(), in a later turn. [loop]
#pragma once

#include <chrono>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client_options.hpp"
#include "connector.hpp"
#include "dialing.hpp"
#include "failover.hpp"
#include "step.hpp"

namespace lsmtpd::sink {

class Dialer {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void step_done(Step step, std::string_view text) = 0;
    // For a library that connects by itself: true, it does so, within `share`, and failed() or
    // opened() follows; connected() does not come.
    virtual bool dial(const Address&, std::chrono::milliseconds /*share*/) { return false; }
    // `fd` is non-blocking, and the owner's from now on.
    virtual void connected(int fd) = 0;
    // How far the protocol came on that socket, for a deadline that passes.
    virtual Step step() const = 0;
    // Gives the socket up, where there is one: the attempt failed at `step`.
    virtual void drop(Step step) = 0;
    // Every address of this broker failed; the next attempt comes by itself.
    virtual void attempt_failed(Step step, std::string_view why) = 0;
  };

  Dialer(sdk::LaneHost host, const ClientOptions& options, Dialing& dialing, Owner& owner);

  // Begins at the connection's own url, and tries again for ever.
  void start() { start(true, 0); }
  // One attempt at url number `index`.
  void try_once(std::size_t index) { start(false, index); }
  // ... at this address only.
  void try_once(std::size_t index, const Address& address);
  void failed(Step step, std::string_view why);
  void opened() { timer_.cancel(); }
  // The next attempt follows.
  void lost();
  void proved();
  // No more attempts, until go_home() or go_on().
  void stop();
  // Begins again, at the connection's own url or at the next one.
  void go_home();
  void go_on();

  bool retries() const { return retry_; }
  const Url& url() const { return options_.urls[current()]; }
  // Of the attempt that failed last, or the present one.
  const Url& tried_url() const { return options_.urls[tried_]; }
  // The url that is connected is no good: when this connection is lost(), the next one is tried.
  void leave() { leaving_ = true; }
  // The connection's own url, and its number.
  const Url& home_url() const { return options_.urls[home()]; }
  std::size_t home() const { return failover_.home(); }
  std::size_t current() const { return retry_ ? failover_.current() : index_; }
  // The order in which this connection tries the addresses of a name: its own first.
  std::vector<Address> order(const std::vector<Address>& addresses) const;
  // The address that is or was connected to, and why others of the same name were passed over.
  std::string address() const { return next_ == 0 ? "" : addresses_[next_ - 1].text(); }
  const std::string& passed_over() const { return passed_over_; }
  // Every broker was tried in vain since one was good.
  bool all_failed() const { return failover_.exhausted(); }

 private:
  void start(bool retry, std::size_t index);
  void begin();
  void attempt();
  void found(const AddressBook::Answer& answer);
  void try_next();
  void dial();
  void expired();
  void again(std::uint64_t ms);

  sdk::LaneHost host_;
  const ClientOptions& options_;
  Dialing& dialing_;
  Owner& owner_;
  const Seat seat_;
  Failover failover_;
  Connector connector_;
  sdk::Timer timer_;           // the pause before an attempt, or its deadline
  std::uint64_t attempt_ = 0;  // an answer of the book to an older one is ignored
  std::uint64_t deadline_ = 0;
  std::chrono::milliseconds share_{0};  // of connect_timeout, for what is under way
  std::vector<Address> addresses_;
  std::size_t next_ = 0;  // the address after the one that is tried
  std::string passed_over_;
  std::size_t index_ = 0;
  std::size_t tried_ = 0;
  bool retry_ = true;
  bool resolving_ = false;
  bool connecting_ = false;
  bool proved_ = false;
  bool leaving_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for answers of the book
};

}  // namespace lsmtpd::sink
