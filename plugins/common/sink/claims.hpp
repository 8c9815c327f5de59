// SPDX-License-Identifier: Apache-2.0
// Stores bodies apart for all lanes of an instance, on threads of its own: an fsync may take long,
// and the host's pool is for others too.
//
// All work of one copy id goes to one thread, so that it happens in the order in which it was asked
// for. Made and destroyed by the instance, which outlives its lanes; the destructor waits for the
// threads. put(), drop(), remove() and probe() are [any]; results come to the loop of the lane that
// asked.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <log_lines/outage_lines.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "claim.hpp"
#include "claim_options.hpp"
#include "claim_store.hpp"
#include "copy_outcome.hpp"
#include "source.hpp"

namespace lsmtpd::sink {

// How a body is published.
struct BodyForm {
  Format format = Format::json;
  bool extra = true;
};

class Claims {
 public:
  struct Result {
    std::shared_ptr<const Claim> claim;  // null: the body is not above the limit, or `failed`
    bool failed = false;
    bool of_the_store = false;  // that failed, not the reading of the content
    Outcome outcome;            // of one that failed
  };
  struct Order {
    sdk::LaneHost host;
    sdk::Message message;
    std::vector<std::uint32_t> recipients;  // as of BodySource
    std::string copy_id;
    std::function<void(Result)> done;  // on the loop of `host`, while its lane lives
  };
  // An order that was given: drop() ends it.
  struct Ticket {
    std::atomic<bool> dropped{false};
    std::unique_ptr<Order> order;  // until a thread takes it
  };

  Claims(sdk::Host host, const ClaimOptions& options, BodyForm form);
  ~Claims();
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  // The body of a copy may be above the limit: only put() knows.
  bool may_concern(const sdk::Message& message) const;
  std::shared_ptr<Ticket> put(Order order);
  // The result is not wanted any more, and may not come; a message that waits for a thread is
  // released.
  void drop(const std::shared_ptr<Ticket>& ticket);
  // The body of a copy that was refused.
  void remove(std::string copy_id);
  // `done` gets the store's name, and why it failed, or "".
  void probe(const sdk::LaneHost& host, std::function<void(std::string, std::string)> done);

  // The largest content to announce, where the broker's own limit is `limit` (0: none is known).
  std::uint64_t announced(std::uint64_t limit) const;

  // Logs the beginning and the end of an outage, and counts. [loop]
  void tell(const sdk::LaneHost& host, const Result& result);

 private:
  struct Task {
    std::shared_ptr<Ticket> ticket;          // of put(), else null
    std::function<void(std::string*)> work;  // with the thread's buffer
  };
  static constexpr std::size_t kThreads = 4;
  struct Worker {
    std::deque<Task> tasks;
    std::thread thread;
  };

  void run(Worker* worker);
  void queue(Worker* worker, Task task);
  void carry_out(Ticket* ticket, std::string* buffer);
  Worker& worker_of(const std::string& copy_id);
  Result store(const Order& order, const std::atomic<bool>& dropped, std::string* buffer) const;
  void removed(const std::string& copy_id, const std::string& why);

  const sdk::Host host_;
  const ClaimOptions options_;
  const BodyForm form_;
  const std::unique_ptr<ClaimStore> store_;
  log_lines::OutageLines outage_;
  sdk::Counter stored_, failed_, deleted_;
  std::mutex mutex_;  // guards these, the workers' tasks and the orders in their tickets
  std::condition_variable changed_;
  bool end_ = false;
  std::array<Worker, kThreads> workers_;
};

// The store that the options name.
std::unique_ptr<ClaimStore> make_store(const ClaimOptions& options);

// Null where the option is not set.
std::unique_ptr<Claims> make_claims(const sdk::Host& host, const ClaimOptions& options,
                                    BodyForm form);

}  // namespace lsmtpd::sink
