// SPDX-License-Identifier: Apache-2.0
// One target at the broker as a lane reaches it: a link, a channel. This part holds the messages
// that wait for it, live mail and replay apart, and says which comes next; a protocol sends them.
//
// The lane makes outlets and owns the parts. enqueue() at any time; open() when the connection is;
// feed() from its pump; connection_lost() ends what was sent, and enqueue() may go on. Whatever
// ends a part goes through Owner::part_done(), once for each. [loop]
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "flight.hpp"
#include "job.hpp"
#include "source.hpp"

namespace lsmtpd::sink {

class Outlet {
 public:
  // The lane.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The lane's limits of what is unsettled.
    virtual const Flight& flight() const = 0;
    virtual void part_sent(Part& part) = 0;
    virtual void part_done(Part& part, Outcome outcome) = 0;
    // feed() comes soon.
    virtual void wake() = 0;
    // Of outlets that can be refused apart from the connection.
    virtual void outlet_refused(Outlet&, std::string_view) {}
    // The pause after a refusal is over: open() it, or drop it later.
    virtual void outlet_rested(Outlet&) {}
    // Of those that share a connection: only a new one helps.
    virtual void give_up(std::string_view) {}
    virtual std::string* scratch() { return nullptr; }  // a buffer that they share
  };

  Outlet(sdk::LaneHost host, Owner& lane) : host_(std::move(host)), lane_(lane) {}
  virtual ~Outlet() = default;
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  void enqueue(Part* part);
  // Takes a part that was not sent out of the queue.
  void forget(Part* part);
  // Everything that waits unsent gets this outcome.
  void fail_queued(const Outcome& outcome);
  // Empty, or why nothing can go there now.
  const std::string& refusal() const { return refusal_; }
  bool idle() const { return live_.empty() && replay_.empty() && !has_sent(); }

  virtual std::string name() const = 0;  // for the log
  virtual void open() {}
  // True: something was sent.
  virtual bool feed() = 0;
  // A part that was not sent passed its deadline.
  virtual void deadline_passed() {}
  virtual void connection_lost(std::string_view why) = 0;
  // Ends an idle one.
  virtual void release() {}

 protected:
  virtual bool has_sent() const = 0;
  // The bytes of a copy. The message outlives them.
  virtual std::unique_ptr<Source> source(const Part& part, const sdk::Message& message) const = 0;

  // The part to send now, or null. Live mail first; replay has a share of `credit`.
  Part* choose(std::uint32_t credit);
  // The next bytes of `current_`, at most `most`; empty: they come later, or the lane gave up.
  std::string_view next_piece(std::size_t most);
  // They were sent. True: they were the last.
  bool took(std::size_t bytes);

  sdk::LaneHost host_;
  Owner& lane_;
  std::string refusal_;
  Part* current_ = nullptr;  // a large one: sent, but not to its end

 private:
  Part* take(std::deque<Part*>* queue);
  bool ready(Part* part);

  std::deque<Part*> live_;
  std::deque<Part*> replay_;
};

}  // namespace lsmtpd::sink
