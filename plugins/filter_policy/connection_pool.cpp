// SPDX-License-Identifier: Apache-2.0
#include "connection_pool.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::policy {

Pool::Pool(const sdk::LaneHost& host, const Settings& settings, sink::AddressBook& book)
    : host_(host), settings_(settings), route_(host, book, settings.service) {}

size_t Pool::open_connections() const {
  return static_cast<size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const std::unique_ptr<Connection>& each) { return each->open(); }));
}

uint64_t Pool::ask(std::string request, std::chrono::milliseconds deadline, Answered answered) {
  const uint64_t number = next_++;
  Job& job = jobs_[number];
  job.request = std::move(request);
  job.answered = std::move(answered);
  if (waiting_.size() >= settings_.waiting) {
    host_.defer([this, number] { end(number, {}, "too many requests wait for it"); });
    return number;
  }
  job.ends_ms = host_.now_ms() + static_cast<uint64_t>(deadline.count());
  job.deadline = host_.timer(deadline, [this, number, deadline] { overdue(number, deadline); });
  waiting_.push_back(number);
  serve();
  return number;
}

// One that is open first, then one that is not; then a new one.
Connection* Pool::free_connection() {
  Connection* closed = nullptr;
  for (const std::unique_ptr<Connection>& each : connections_) {
    if (each->busy()) continue;
    if (each->open()) return each.get();
    closed = each.get();
  }
  if (closed != nullptr || connections_.size() == settings_.connections) return closed;
  connections_.push_back(
      std::make_unique<Connection>(host_, settings_.service, route_, settings_.idle));
  return connections_.back().get();
}

void Pool::serve() {
  while (!waiting_.empty()) {
    Connection* connection = free_connection();
    if (connection == nullptr) return;
    const uint64_t number = waiting_.front();
    waiting_.pop_front();
    start(number, jobs_.at(number), *connection);
  }
}

void Pool::start(uint64_t number, Job& job, Connection& connection) {
  job.connection = &connection;
  const uint64_t now = host_.now_ms();
  const std::chrono::milliseconds left(job.ends_ms > now ? job.ends_ms - now : 0);
  connection.ask(job.request, left, [this, number](Connection::Outcome outcome) {
    finished(number, std::move(outcome));
  });
}

void Pool::finished(uint64_t number, Connection::Outcome outcome) {
  const auto job = jobs_.find(number);
  if (job == jobs_.end()) return;
  // The connection is closed now, so that this one is a new connection.
  if (outcome.stale && !std::exchange(job->second.retried, true))
    return start(number, job->second, *job->second.connection);
  end(number, outcome.action, outcome.error);
}

void Pool::overdue(uint64_t number, std::chrono::milliseconds deadline) {
  const auto job = jobs_.find(number);
  if (job == jobs_.end()) return;
  const bool asked = job->second.connection != nullptr;
  if (asked) job->second.connection->give_up();
  end(number, {},
      (asked ? "no answer within " : "no connection was free within ") +
          std::to_string(deadline.count()) + " ms");
}

void Pool::end(uint64_t number, const std::string& action, const std::string& error) {
  const auto job = jobs_.find(number);
  if (job == jobs_.end()) return;
  const Answered answered = std::move(job->second.answered);
  forget(job);
  answered(action, error);
  serve();
}

void Pool::cancel(uint64_t number) {
  const auto job = jobs_.find(number);
  if (job == jobs_.end()) return;
  // The answer that is still to come would be taken for that of the next request.
  if (job->second.connection != nullptr) job->second.connection->close();
  forget(job);
  serve();
}

void Pool::forget(std::map<uint64_t, Job>::iterator job) {
  if (job->second.connection == nullptr)
    waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), job->first), waiting_.end());
  jobs_.erase(job);
}

void Pool::close() {
  jobs_.clear();
  waiting_.clear();
  for (const std::unique_ptr<Connection>& each : connections_) each->close();
}

}  // namespace lsmtpd::policy
