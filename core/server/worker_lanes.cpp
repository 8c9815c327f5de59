// SPDX-License-Identifier: Apache-2.0
#include "server/worker_lanes.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::server {

WorkerLanes::WorkerLanes(io::Loop& loop, uint32_t worker, std::function<void()> lane_gone)
    : loop_(loop), worker_(worker), lane_gone_(std::move(lane_gone)) {}

WorkerLanes::~WorkerLanes() = default;

Status WorkerLanes::open(Generation& generation, WorkerGeneration& part) {
  for (const auto& [name, instance] : generation.instances) {
    auto lane = lane_of(*instance);
    if (!lane) return tl::unexpected(lane.error());
    part.lanes.emplace(name, std::move(*lane));
  }
  if (worker_ == 0) make_replays(generation, part);
  make_chains(part);
  return {};
}

Result<std::shared_ptr<plugin::Lane>> WorkerLanes::lane_of(plugin::Instance& instance) {
  for (auto& [lane, open] : lanes_) {
    if (&open.lane->instance() != &instance) continue;
    if (auto shared = open.shared.lock()) return shared;
  }
  auto opened = instance.open_lane(loop_, worker_);
  if (!opened) return tl::unexpected(opened.error());
  plugin::Lane* const lane = opened->get();
  std::shared_ptr<plugin::Lane> shared(lane, [this, ended = ended_](plugin::Lane* l) {
    if (!*ended) release(l);
  });
  lanes_[lane] = {std::move(*opened), shared, false};
  ++open_;
  return shared;
}

void WorkerLanes::make_replays(Generation& generation, const WorkerGeneration& part) {
  for (const auto& [name, fallback] : generation.fallbacks) {
    const auto& storage = part.lanes.at(fallback);
    auto& replaying = replays_[storage.get()];
    if (!replaying.replay) replaying.replay = std::make_shared<pipeline::Replay>(loop_, storage);
    const auto [at, is_new] = generation.replays.try_emplace(fallback, replaying.replay.get());
    if (is_new) ++replaying.parts;
    ++outputs_[{at->second, part.lanes.at(name).get()}];
  }
}

void WorkerLanes::make_chains(WorkerGeneration& part) {
  for (const auto& configured : part.common->settings.chains) {
    auto& chain = part.chains[configured.name];
    chain.name = configured.name;
    chain.deadline_ms = configured.deadline;
    chain.deadlines = &loop_.deadlines();
    chain.table = configured.table;
    chain.defer_other_routes = configured.defer_other_routes;
    for (const auto& step : configured.steps) {
      plugin::Lane* lane = part.lanes.at(step).get();
      const plugin::Instance& instance = lane->instance();
      if (instance.session_filter()) chain.session_filters.push_back(lane);
      if (instance.output()) {
        chain.own().outputs.push_back(output_step(part, step));
        continue;
      }
      if (instance.filter()) chain.filters.push_back(lane);
      if (instance.admission()) chain.admissions.push_back(lane);
    }
    for (const auto& route : configured.routes) chain.routes.push_back(make_route(part, route));
  }
}

pipeline::Route WorkerLanes::make_route(const WorkerGeneration& part,
                                        const RouteSettings& configured) {
  pipeline::Route route;
  route.name = configured.name;
  for (const auto& step : configured.steps) {
    plugin::Lane* lane = part.lanes.at(step).get();
    const plugin::Instance& instance = lane->instance();
    if (instance.output()) {
      route.outputs.push_back(output_step(part, step));
      continue;
    }
    if (instance.filter()) route.filters.push_back(lane);
    if (instance.admission()) route.admissions.push_back(lane);
  }
  return route;
}

pipeline::OutputStep WorkerLanes::output_step(const WorkerGeneration& part,
                                              const std::string& step) {
  pipeline::OutputStep output{part.lanes.at(step).get(), nullptr, nullptr};
  const auto fallback = part.common->fallbacks.find(step);
  if (fallback != part.common->fallbacks.end()) {
    output.fallback = part.lanes.at(fallback->second).get();
    output.replay = part.common->replays.at(fallback->second);
  }
  return output;
}

void WorkerLanes::start_replays(const WorkerGeneration& part) {
  for (const auto& [name, fallback] : part.common->fallbacks)
    part.common->replays.at(fallback)->set_output(part.lanes.at(name));
  for (const auto& [name, replay] : part.common->replays) {
    auto& replaying = replays_.at(part.lanes.at(name).get());
    if (!std::exchange(replaying.started, true)) replay->start();
  }
}

void WorkerLanes::end_replays(const WorkerGeneration& part) {
  if (part.common->replays.empty()) return;  // it was not made whole
  for (const auto& [name, fallback] : part.common->fallbacks) {
    const auto& lane = *part.lanes.at(name);
    const auto replay = part.common->replays.at(fallback);
    const auto output = outputs_.find({replay, &lane});
    if (--output->second > 0) continue;
    outputs_.erase(output);
    replay->remove_output(lane);
  }
  for (const auto& [name, replay] : part.common->replays) {
    const auto storage = part.lanes.at(name);
    auto& replaying = replays_.at(storage.get());
    if (--replaying.parts > 0) continue;
    // It is gone when what it has under way is: until then that keeps it.
    if (!replaying.started) {
      replays_.erase(storage.get());
    } else {
      replaying.replay->stop([this, storage] { replays_.erase(storage.get()); });
    }
  }
}

// The last holder has let the lane go, perhaps inside a plugin's answer: so a task of its own
// closes it.
void WorkerLanes::release(const plugin::Lane* lane) {
  loop_.post([this, lane] {
    const auto found = lanes_.find(lane);
    if (found == lanes_.end() || std::exchange(found->second.asked_to_close, true)) return;
    found->second.lane->close([this, lane] {
      lane_closed();
      // Its own functions may be still on the way out.
      loop_.post([this, lane] {
        lanes_.erase(lane);
        lane_gone_();
      });
    });
  });
}

size_t WorkerLanes::retry_now(const std::string& selection) {
  size_t found = 0;
  for (auto& [lane, open] : lanes_) {
    plugin::Lane& one = *open.lane;
    if (!one.instance().output() || (!selection.empty() && one.name() != selection)) continue;
    one.retry_now();
    ++found;
  }
  for (auto& [storage, replaying] : replays_) {
    if (!replaying.started) continue;
    if (found > 0) {
      replaying.replay->retry_now(selection);
    } else {
      found += replaying.replay->retry_copy(selection);
    }
  }
  return found;
}

void WorkerLanes::close_all(io::Task done, uint64_t ends_at_ms) {
  all_closed_ = std::move(done);
  replays_left_ = replays_.size();
  if (replays_left_ == 0) close_each_lane(ends_at_ms);
  for (auto& [storage, replaying] : replays_) {
    replaying.replay->stop([this, ends_at_ms] {
      if (--replays_left_ == 0) close_each_lane(ends_at_ms);
    });
  }
}

void WorkerLanes::close_each_lane(uint64_t ends_at_ms) {
  const uint64_t now = loop_.now_ms();
  const uint64_t left = ends_at_ms == 0 ? 0 : ends_at_ms > now ? ends_at_ms - now : 1;
  if (open_ == 0) std::exchange(all_closed_, nullptr)();
  for (auto& [lane, open] : lanes_) {
    if (std::exchange(open.asked_to_close, true)) continue;
    open.lane->close([this] { lane_closed(); }, left);
  }
}

void WorkerLanes::lane_closed() {
  if (--open_ == 0 && all_closed_) std::exchange(all_closed_, nullptr)();
}

}  // namespace lsmtpd::server
