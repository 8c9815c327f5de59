// SPDX-License-Identifier: Apache-2.0
#include "claims.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <signals_blocked.hpp>
#include <utility>

#include "claim_directory.hpp"
#include "claim_s3.hpp"

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kBuffer = 64 * 1024;
// Where the budget has no more: slow, but a message that was let in gets out.
constexpr std::size_t kSmallBuffer = 8 * 1024;
// The body of a message is at most so many times its content: each octet may be invalid UTF-8,
// which JSON has as U+FFFD in six octets, and in base64.
constexpr std::uint64_t kMostGrowth = 8;
// Beside the content: keys, and the envelope without its recipients.
constexpr std::uint64_t kHead = 16 * 1024;
constexpr std::uint64_t kRecipient = 2048;  // address and parameters, escaped

Claims::Result failure(Outcome outcome, bool of_the_store) {
  Claims::Result result;
  result.failed = true;
  result.of_the_store = of_the_store;
  result.outcome = std::move(outcome);
  return result;
}

Claims::Result failure(const StoreResult& stored, const std::string& store) {
  std::string detail = "claim_check: " + store + ": " + stored.why;
  return failure(stored.no_space
                     ? tempfail(452, "4.3.1", "Insufficient storage", std::move(detail))
                     : tempfail(451, "4.3.0", "Message store not available", std::move(detail)),
                 true);
}

}  // namespace

Claims::Claims(sdk::Host host, const ClaimOptions& options, BodyForm form)
    : host_(host), options_(options), form_(form), store_(make_store(options)) {
  constexpr const char* kHelp =
      "Bodies that claim_check stored apart, failed to store, or deleted.";
  stored_ = host_.counter("claim_checks_total", kHelp, {{"result", "stored"}});
  failed_ = host_.counter("claim_checks_total", kHelp, {{"result", "failed"}});
  deleted_ = host_.counter("claim_checks_total", kHelp, {{"result", "deleted"}});
  const common::SignalsBlocked blocked;
  for (Worker& worker : workers_) worker.thread = std::thread([this, &worker] { run(&worker); });
}

Claims::~Claims() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  changed_.notify_all();
  for (Worker& worker : workers_)
    if (worker.thread.joinable()) worker.thread.join();
}

bool Claims::may_concern(const sdk::Message& message) const {
  if (form_.format == Format::rfc822) return message.size() > options_.above;
  const std::uint64_t envelope = kHead + message.envelope().recipient_count * kRecipient;
  return message.size() * kMostGrowth + envelope > options_.above;
}

std::uint64_t Claims::announced(std::uint64_t limit) const {
  return limit != 0 && limit < options_.above ? limit : 0;
}

Claims::Worker& Claims::worker_of(const std::string& copy_id) {
  return workers_[std::hash<std::string>()(copy_id) % kThreads];
}

void Claims::queue(Worker* worker, Task task) {
  {
    const std::lock_guard lock(mutex_);
    worker->tasks.push_back(std::move(task));
  }
  changed_.notify_all();
}

void Claims::run(Worker* worker) {
  pthread_setname_np(pthread_self(), "claims");
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return end_ || !worker->tasks.empty(); });
      if (worker->tasks.empty()) return;
      task = std::move(worker->tasks.front());
      worker->tasks.pop_front();
    }
    const sdk::Reservation memory = host_.reserve(kBuffer + store_->footprint());
    std::string buffer(memory ? kBuffer : kSmallBuffer, '\0');
    task.work(&buffer);
  }
}

std::shared_ptr<Claims::Ticket> Claims::put(Order order) {
  auto ticket = std::make_shared<Ticket>();
  Worker& worker = worker_of(order.copy_id);
  ticket->order = std::make_unique<Order>(std::move(order));
  queue(&worker,
        {ticket, [this, ticket](std::string* buffer) { carry_out(ticket.get(), buffer); }});
  return ticket;
}

void Claims::drop(const std::shared_ptr<Ticket>& ticket) {
  ticket->dropped = true;
  // Destroyed behind the lock.
  std::unique_ptr<Order> order;
  std::vector<Task> tasks;
  const std::lock_guard lock(mutex_);
  order = std::move(ticket->order);
  if (order == nullptr) return;
  std::deque<Task>& waiting = worker_of(order->copy_id).tasks;
  const auto found = std::find_if(waiting.begin(), waiting.end(),
                                  [&](const Task& task) { return task.ticket == ticket; });
  if (found == waiting.end()) return;
  tasks.push_back(std::move(*found));
  waiting.erase(found);
}

void Claims::carry_out(Ticket* ticket, std::string* buffer) {
  std::unique_ptr<Order> order;
  {
    const std::lock_guard lock(mutex_);
    order = std::move(ticket->order);
  }
  if (order == nullptr) return;
  Result result;
  try {
    result = store(*order, ticket->dropped, buffer);
  } catch (const std::exception& error) {
    result = failure(not_sent(error.what()), false);
  }
  order->message.reset();
  (void)order->host.post([done = std::move(order->done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

Claims::Result Claims::store(const Order& order, const std::atomic<bool>& dropped,
                             std::string* buffer) const {
  const auto make = [&] {
    return std::make_unique<BodySource>(order.host.message_table(), order.message, form_.format,
                                        form_.extra, order.recipients);
  };
  auto source = make();
  if (!source->prepare()) return failure(not_sent("the content could not be read"), false);
  if (source->size() <= options_.above) return {};
  ClaimBody body(std::move(source), make, buffer);
  const StoreResult stored = store_->put(order.copy_id, body, dropped);
  if (body.failed()) return failure(not_sent("the content could not be read"), false);
  if (!stored.why.empty()) return failure(stored, store_->name());
  ClaimedBody claimed;
  claimed.message_id = order.message.id();
  claimed.copy_id = order.copy_id;
  claimed.content_type = content_type(form_.format, nullptr);
  claimed.size = body.size();
  claimed.sha256 = stored.sha256;
  Result result;
  result.claim = std::make_shared<const Claim>(make_claim(stored.location, claimed));
  return result;
}

void Claims::remove(std::string copy_id) {
  Worker& worker = worker_of(copy_id);
  queue(&worker, {nullptr, [this, key = std::move(copy_id)](std::string*) {
                    std::string why;
                    try {
                      why = store_->remove(key);
                    } catch (const std::exception& error) {
                      why = error.what();
                    }
                    removed(key, why);
                  }});
}

void Claims::removed(const std::string& copy_id, const std::string& why) {
  if (why.empty()) return deleted_.add();
  host_.warn("the stored body of a refused message was not deleted",
             {{"copy_id", copy_id}, {"store", store_->name()}, {"why", why}});
}

void Claims::probe(const sdk::LaneHost& host, std::function<void(std::string, std::string)> done) {
  queue(&workers_.front(),
        {nullptr, [this, host, done = std::move(done)](std::string*) {
           std::string why;
           try {
             why = store_->probe();
           } catch (const std::exception& error) {
             why = error.what();
           }
           (void)host.post([done, name = store_->name(), why] { done(name, why); });
         }});
}

void Claims::tell(const sdk::LaneHost& host, const Result& result) {
  if (result.claim != nullptr) {
    stored_.add();
    if (outage_.answered())
      host.info("the store of claim_check takes bodies again", {{"store", store_->name()}});
  }
  if (!result.of_the_store) return;
  failed_.add();
  if (const auto left_out = outage_.failed(host.now_ms()))
    host.error("the store of claim_check takes no bodies",
               {{"why", result.outcome.detail}, {"left_out", *left_out}});
}

std::unique_ptr<ClaimStore> make_store(const ClaimOptions& options) {
  if (options.directory.empty()) return std::make_unique<ClaimS3>(options.s3);
  return std::make_unique<ClaimDirectory>(options.directory);
}

std::unique_ptr<Claims> make_claims(const sdk::Host& host, const ClaimOptions& options,
                                    BodyForm form) {
  return options.on ? std::make_unique<Claims>(host, options, form) : nullptr;
}

}  // namespace lsmtpd::sink
