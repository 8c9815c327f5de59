// SPDX-License-Identifier: Apache-2.0
// The generations of the configuration that live: the one in force, and older ones that sessions
// still use. Ends the instances that none of them has. [main], but where it says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/setup.hpp"
#include "io/loop.hpp"
#include "server/generation.hpp"
#include "server/worker.hpp"

namespace lsmtpd::app {

using Workers = std::vector<std::unique_ptr<server::Worker>>;

class Generations {
 public:
  // Generations that live and have instances that no newer one has, the one in force included.
  static constexpr size_t kMostWithInstances = 4;
  // All that live: settings and chains are small, but many sessions may each have an old one.
  static constexpr size_t kMost = 32;

  // `workers` may still be filled.
  Generations(io::Loop& loop, Workers& workers) : loop_(loop), workers_(workers) {}
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  void add(std::shared_ptr<server::Generation> generation);
  // The worker is about to make its part of the newest one.
  void expect_part(uint32_t worker) { living_.at(last_).parts.insert(worker); }
  // Every worker has adopted it. The one before has `reload_ms` (0: none) until its sessions are
  // told to leave.
  void put_in_force(uint64_t number, uint64_t reload_ms);
  // [any] Reports of workers: see server::Shared.
  void part_gone(uint64_t number, uint32_t worker);
  void lane_gone();

  // The last that was added and lives.
  const std::shared_ptr<server::Generation>& newest() const {
    return living_.rbegin()->second.generation;
  }
  uint64_t in_force() const { return in_force_; }
  // The one in force.
  const server::Generation& current() const { return *living_.at(in_force_).generation; }
  uint64_t next_number() const { return last_ + 1; }
  // Their instances, the newest generation's first.
  Instances instances() const;
  // There is room for `next` beside those that live. False: the sessions of the oldest are told to
  // leave, and `when_changed` comes as soon as something has ended.
  bool has_room_for(const server::Generation& next);
  std::function<void()> when_changed = [] {};
  size_t count() const { return living_.size(); }

  // At the end, when no lane is open: stops all instances. They must outlive the workers.
  Instances stop_all();
  // Returns the names of the plugins that a stop waits for.
  std::string busy() const;

 private:
  struct Living {
    std::shared_ptr<server::Generation> generation;
    std::set<uint32_t> parts;                 // workers that have one
    std::unique_ptr<Deadlines::Entry> leave;  // armed: then its sessions are told to
  };

  void take_part_gone(uint64_t number, uint32_t worker);
  void release_if_last(const Living& living);
  void end(uint64_t number);
  void stop_retired();
  void tell_to_leave(uint64_t number);
  bool newer_has(uint64_t number, const plugin::Instance& instance) const;

  io::Loop& loop_;
  Workers& workers_;
  std::map<uint64_t, Living> living_;
  Instances retired_;  // of no generation; their lanes close
  Deadlines::Entry again_{[this] { stop_retired(); }};
  uint64_t in_force_ = 0;
  uint64_t last_ = 0;
};

}  // namespace lsmtpd::app
