// SPDX-License-Identifier: Apache-2.0
// The lanes of one worker, and on worker 0 the replays: one lane for each instance, however many
// generations have it. [loop]
//
// A lane is held by shared_ptr: by the parts of generations, and by replays for what they have
// under way. When nobody holds it any more, its plugin is asked to close it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "io/loop.hpp"
#include "server/generation.hpp"

namespace lsmtpd::server {

class WorkerLanes {
 public:
  // `lane_gone` comes when a lane that nobody held any more is closed.
  WorkerLanes(io::Loop& loop, uint32_t worker, std::function<void()> lane_gone);
  ~WorkerLanes();
  WorkerLanes(const WorkerLanes&) = delete;
  WorkerLanes& operator=(const WorkerLanes&) = delete;

  // Opens the lanes of `part` that are not open, and makes its chains. On worker 0 also the replays
  // that are new, which `generation` is told. An error: `part` is to be dropped.
  Status open(Generation& generation, WorkerGeneration& part);
  // `part` is in force: replays begin, and know its outputs. Worker 0 only.
  void start_replays(const WorkerGeneration& part);
  // A replay that was made for `part` only ends. Worker 0 only.
  void end_replays(const WorkerGeneration& part);

  // An operator's order (Worker::retry_now()). Returns how many outputs or messages it is for.
  size_t retry_now(const std::string& selection);

  // Ends everything: the replays first, then each lane, within the time that is left until
  // `ends_at_ms` (0: without an end). `done` comes once.
  void close_all(io::Task done, uint64_t ends_at_ms);
  // The loop runs no more: what is closed is only freed.
  void loop_ended() { *ended_ = true; }

 private:
  struct Open {
    std::unique_ptr<plugin::Lane> lane;
    std::weak_ptr<plugin::Lane> shared;
    bool asked_to_close = false;
  };
  struct Replaying {
    std::shared_ptr<pipeline::Replay> replay;
    size_t parts = 0;  // generations that have it
    bool started = false;
  };

  Result<std::shared_ptr<plugin::Lane>> lane_of(plugin::Instance& instance);
  void make_replays(Generation& generation, const WorkerGeneration& part);
  void make_chains(WorkerGeneration& part);
  static pipeline::Route make_route(const WorkerGeneration& part, const RouteSettings& configured);
  static pipeline::OutputStep output_step(const WorkerGeneration& part, const std::string& step);
  void release(const plugin::Lane* lane);
  void close_each_lane(uint64_t ends_at_ms);
  void lane_closed();

  io::Loop& loop_;
  const uint32_t worker_;
  const std::function<void()> lane_gone_;
  const std::shared_ptr<bool> ended_ = std::make_shared<bool>(false);  // outlives this
  std::map<const plugin::Lane*, Open> lanes_;
  size_t open_ = 0;                                   // lanes that are not closed
  std::map<const plugin::Lane*, Replaying> replays_;  // by the storage's lane
  // Generations in which that is an output of that replay.
  std::map<std::pair<const pipeline::Replay*, const plugin::Lane*>, size_t> outputs_;
  size_t replays_left_ = 0;
  io::Task all_closed_;
};

}  // namespace lsmtpd::server
