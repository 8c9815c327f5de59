// SPDX-License-Identifier: Apache-2.0
#include "app/generations.hpp"

#include <algorithm>

namespace lsmtpd::app {

namespace {

// Between two looks at instances whose lanes are closed and whose offloaded work is not over.
constexpr uint64_t kWorkMs = 200;

}  // namespace

void Generations::add(std::shared_ptr<server::Generation> generation) {
  last_ = generation->number;
  living_[last_].generation = std::move(generation);
}

void Generations::put_in_force(uint64_t number, uint64_t reload_ms) {
  const uint64_t before = std::exchange(in_force_, number);
  const auto former = living_.find(before);
  if (former == living_.end()) return;
  Living& living = former->second;
  living.leave = std::make_unique<Deadlines::Entry>([this, before] { tell_to_leave(before); });
  loop_.deadlines().arm(*living.leave, reload_ms);
  release_if_last(living);
}

void Generations::part_gone(uint64_t number, uint32_t worker) {
  loop_.post([this, number, worker] { take_part_gone(number, worker); });
}

void Generations::lane_gone() {
  loop_.post([this] { stop_retired(); });
}

void Generations::take_part_gone(uint64_t number, uint32_t worker) {
  const auto found = living_.find(number);
  if (found == living_.end()) return;
  found->second.parts.erase(worker);
  if (found->second.parts.empty()) {
    end(number);
  } else {
    release_if_last(found->second);
  }
}

// Worker 0 has the replays that the others' deliveries use.
void Generations::release_if_last(const Living& living) {
  const uint64_t number = living.generation->number;
  if (number == in_force_ || living.parts.size() != 1 || !living.parts.contains(0)) return;
  workers_.front()->release(number);
}

void Generations::end(uint64_t number) {
  const auto ended = std::move(living_.at(number).generation);
  living_.erase(number);
  for (const auto& [name, instance] : ended->instances) {
    const auto has_it = [&name = name, &instance = instance](const auto& living) {
      const auto& all = living.second.generation->instances;
      const auto found = all.find(name);
      return found != all.end() && found->second == instance;
    };
    const bool used = std::any_of(living_.begin(), living_.end(), has_it);
    if (!used) retired_.push_back(instance);
  }
  stop_retired();
}

void Generations::stop_retired() {
  bool again = false;
  std::erase_if(retired_, [&again](const auto& instance) {
    if (instance->open_lanes() > 0) return false;
    if (instance->has_work()) {
      again = true;
      return false;
    }
    instance->stop();
    return true;
  });
  if (again) loop_.deadlines().arm(again_, kWorkMs);
  const auto told = when_changed;  // which may be replaced in the call
  told();
}

Instances Generations::instances() const {
  Instances all;
  for (auto living = living_.rbegin(); living != living_.rend(); ++living) {
    for (const auto& [name, instance] : living->second.generation->instances) {
      if (std::find(all.begin(), all.end(), instance) == all.end()) all.push_back(instance);
    }
  }
  return all;
}

bool Generations::newer_has(uint64_t number, const plugin::Instance& instance) const {
  for (auto newer = living_.upper_bound(number); newer != living_.end(); ++newer) {
    const auto& all = newer->second.generation->instances;
    const auto found = all.find(instance.name());
    if (found != all.end() && found->second.get() == &instance) return true;
  }
  return false;
}

bool Generations::has_room_for(const server::Generation& next) {
  size_t with_instances = 1;
  uint64_t oldest = 0;
  for (const auto& of_number : living_) {
    // No structured binding: in a lambda, clang 14 cannot name one.
    const uint64_t number = of_number.first;
    const auto& all = of_number.second.generation->instances;
    const bool own = std::any_of(all.begin(), all.end(), [&](const auto& entry) {
      const auto in_next = next.instances.find(entry.first);
      const bool goes_on = in_next != next.instances.end() && in_next->second == entry.second;
      return !goes_on && !newer_has(number, *entry.second);
    });
    if (!own) continue;
    ++with_instances;
    if (oldest == 0 && number != in_force_) oldest = number;
  }
  if (with_instances <= kMostWithInstances && living_.size() < kMost) return true;
  if (oldest == 0) oldest = living_.begin()->first;
  tell_to_leave(oldest);
  return false;
}

void Generations::tell_to_leave(uint64_t number) {
  for (const auto& worker : workers_) worker->leave(number);
}

Instances Generations::stop_all() {
  auto all = instances();
  all.insert(all.end(), retired_.begin(), retired_.end());
  for (const auto& instance : all) instance->stop();
  retired_.clear();
  living_.clear();
  return all;
}

std::string Generations::busy() const {
  std::string names;
  auto all = instances();
  all.insert(all.end(), retired_.begin(), retired_.end());
  for (const auto& instance : all) {
    if (instance->is_busy()) names += (names.empty() ? "" : ", ") + instance->name();
  }
  return names;
}

}  // namespace lsmtpd::app
