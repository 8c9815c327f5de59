// SPDX-License-Identifier: Apache-2.0
#include "admin/board.hpp"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

namespace lsmtpd::admin {

using server::report_clock_ms;

namespace {

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Keeps the time of the last change.
void change(Board::State& state, bool ready, std::string reason, bool is_new) {
  if (is_new || state.ready != ready) state.since_ms = report_clock_ms();
  state.ready = ready;
  state.ever_ready = state.ever_ready || ready;
  state.reason = std::move(reason);
}

}  // namespace

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::starting:
      return "starting";
    case Phase::serving:
      return "serving";
    case Phase::draining:
      return "draining";
    case Phase::stopping:
      break;
  }
  return "stopping";
}

Board::Board() : main_at_ms_(report_clock_ms()), started_(epoch_seconds()) {}

void Board::set_facts(Facts facts) {
  auto made = std::make_shared<const Facts>(std::move(facts));
  const std::lock_guard lock(mutex_);
  facts_ = std::move(made);
}

std::shared_ptr<const Facts> Board::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

void Board::set_workers(std::vector<std::shared_ptr<server::ReportBoard>> workers) {
  const std::lock_guard lock(mutex_);
  workers_ = std::move(workers);
}

void Board::set_holds(std::map<std::string, Hold> holds) {
  const std::lock_guard lock(mutex_);
  holds_ = std::move(holds);
}

std::map<std::string, Hold> Board::holds() const {
  const std::lock_guard lock(mutex_);
  return holds_;
}

std::vector<std::shared_ptr<const server::WorkerReport>> Board::reports() const {
  std::vector<std::shared_ptr<const server::WorkerReport>> all;
  const std::lock_guard lock(mutex_);
  for (const auto& worker : workers_) {
    if (auto report = worker->get()) all.push_back(std::move(report));
  }
  return all;
}

std::vector<std::string> Board::stuck() const {
  std::vector<std::string> all;
  const uint64_t now = report_clock_ms();
  const auto check = [&](const std::string& loop, uint64_t at_ms) {
    if (now > at_ms && now - at_ms > kStuckMs)
      all.push_back(fmt::format("{} has not turned for {} s", loop, (now - at_ms) / 1000));
  };
  // Until it serves, and once it stops, the main thread works without its loop.
  const Phase phase = phase_;
  if (phase == Phase::serving || phase == Phase::draining) check("the main loop", main_at_ms_);
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (const auto report = workers_[i]->get(); report && phase != Phase::stopping)
      check(fmt::format("worker {}", i), report->at_ms);
  }
  return all;
}

void Board::look() {
  const auto all = reports();
  const std::lock_guard lock(mutex_);
  look_locked(all);
}

// Ready is what is ready on every worker: a client does not choose its worker.
void Board::look_locked(const std::vector<std::shared_ptr<const server::WorkerReport>>& reports) {
  std::map<std::string, server::ChainReport> chains;
  std::map<std::string, server::OutputReport> outputs;
  for (const auto& report : reports) {
    for (const auto& chain : report->chains) {
      auto& merged = chains.emplace(chain.name, chain).first->second;
      if (!chain.ready && merged.ready) merged = chain;
    }
    for (const auto& output : report->outputs) {
      auto& merged = outputs.emplace(output.plugin, output).first->second;
      if (!output.ready && merged.ready) merged = output;
    }
  }
  std::erase_if(chains_, [&](const auto& entry) { return !chains.contains(entry.first); });
  std::erase_if(outputs_, [&](const auto& entry) { return !outputs.contains(entry.first); });
  for (auto& [name, chain] : chains) {
    const auto [at, is_new] = chains_.try_emplace(name);
    change(at->second, chain.ready, std::move(chain.reason), is_new);
  }
  for (auto& [name, output] : outputs) {
    const auto [at, is_new] = outputs_.try_emplace(name);
    change(at->second.state, output.ready, std::move(output.reason), is_new);
    at->second.fallback = output.fallback;
    at->second.held = output.held;
  }
}

std::map<std::string, Board::State> Board::chains() const {
  const std::lock_guard lock(mutex_);
  return chains_;
}

std::map<std::string, Board::Output> Board::outputs() const {
  const std::lock_guard lock(mutex_);
  return outputs_;
}

bool Board::has_chain(const std::string& chain) const {
  const std::lock_guard lock(mutex_);
  return chains_.contains(chain);
}

std::vector<std::string> Board::unready(uint64_t unready_ms, const std::string& chain,
                                        bool with_chains) const {
  if (const Phase phase = phase_; phase != Phase::serving) {
    return {fmt::format("the daemon is {}", phase_name(phase))};
  }
  std::vector<std::string> why = stuck();
  if (!with_chains) return why;
  const uint64_t now = report_clock_ms();
  const std::lock_guard lock(mutex_);
  if (chains_.empty()) why.push_back("no worker has reported yet");
  for (const auto& [name, state] : chains_) {
    if (!chain.empty() && name != chain) continue;
    if (!state.ready && (!state.ever_ready || now - state.since_ms >= unready_ms))
      why.push_back(fmt::format("chain {}: {}", name, state.reason));
  }
  return why;
}

}  // namespace lsmtpd::admin
