// SPDX-License-Identifier: Apache-2.0
// A chain of fixture plugins with a clock that only the test moves.
//
//     ChainHost t;
//     t.filter(t.entry("f", "bad_filter", {{"mode", "never"}}));
//     t.output(t.entry("o", "test_output"));
//     t.start();                      // one message
//     t.advance(10'000);              // the filter's deadline passes
//     EXPECT_EQ(t.reply(), "451 4.7.1 Try again later");
#pragma once

#include <algorithm>
#include <filesystem>

#include "pipeline/chain_run.hpp"
#include "pipeline/replay.hpp"
#include "plugin_host.hpp"

namespace lsmtpd::test {

// A pointer that keeps nothing: the host closes its lanes itself.
inline std::shared_ptr<plugin::Lane> borrowed(plugin::Lane& lane) {
  return {std::shared_ptr<void>(), &lane};
}

// The record file of the fixture outputs.
class Record {
 public:
  explicit Record(const std::string& name)
      : file_(testing::TempDir() + "record_" + std::to_string(::getpid()) + "_" + name) {
    ::unlink(file_.c_str());
  }
  ~Record() { ::unlink(file_.c_str()); }
  const std::string& file() const { return file_; }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  // How many lines begin with `start`.
  size_t count(const std::string& start) const {
    const auto all = lines();
    return static_cast<size_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& line) { return line.rfind(start, 0) == 0; }));
  }

 private:
  std::string file_;
};

class ChainHost : public PluginHost {
 public:
  explicit ChainHost(uint64_t memory = 8u << 20) : PluginHost(memory) {
    chain.name = "default";
    chain.deadline_ms = 30'000;
    chain.deadlines = &clock;
  }
  ~ChainHost() {
    if (replay) stop_replay();
    close_lanes();
  }

  static config::Plugin entry(const std::string& name, const std::string& use,
                              Settings settings = {}) {
    return plugin_entry(name, use, settings);
  }
  void filter(config::Plugin plugin) { chain.filters.push_back(&lane(std::move(plugin))); }
  void output(config::Plugin plugin) {
    chain.own().outputs.push_back({&lane(std::move(plugin)), nullptr, nullptr});
  }
  // An output with a fallback, and the replay between them (which is not started).
  void output(config::Plugin plugin, config::Plugin fallback) {
    storage = &lane(std::move(fallback));
    if (!replay) replay = std::make_unique<pipeline::Replay>(loop, borrowed(*storage));
    plugin::Lane& to = lane(std::move(plugin));
    replay->set_output(borrowed(to));
    chain.own().outputs.push_back({&to, storage, replay.get()});
  }

  void start(message::Message message) {
    on_loop(loop, [&] {
      chain_run = pipeline::ChainRun::make(pipeline::borrowed(chain), std::move(message));
      auto now = chain_run->run([this](pipeline::Outcome later) { take(std::move(later)); });
      if (now) take(std::move(*now));
    });
  }
  void start() { start(mail()); }
  void advance(uint64_t ms) {
    on_loop(loop, [&] { clock.advance(clock.now() + ms); });
  }
  pipeline::Outcome outcome() {
    EXPECT_TRUE(run_until([this] { return outcomes > 0; })) << "no outcome";
    turn(loop, 5);
    EXPECT_EQ(outcomes, 1) << "exactly one outcome";
    return last;
  }
  std::string reply() {
    const auto o = outcome();
    return std::to_string(o.reply.code) + " " + o.reply.enhanced + " " + o.reply.text;
  }
  pipeline::Outcome run() {
    start();
    return outcome();
  }

  // Moves the loop's own clock, which replay uses.
  void jump(uint64_t ms) {
    on_loop(loop, [&] { loop.deadlines().advance(loop.deadlines().now() + ms); });
  }
  bool stop_replay() {
    bool idle = false;
    on_loop(loop, [&] { replay->stop([&idle] { idle = true; }); });
    return test::run_until(
        loop, [&] { return idle; }, std::chrono::seconds(2));
  }

  Deadlines clock{1'000'000};
  pipeline::Chain chain;
  plugin::Lane* storage = nullptr;
  std::unique_ptr<pipeline::Replay> replay;
  std::shared_ptr<pipeline::ChainRun> chain_run;
  int outcomes = 0;

 private:
  void take(pipeline::Outcome outcome) {
    last = std::move(outcome);
    ++outcomes;
  }
  pipeline::Outcome last;
};

inline const std::string kQueued = "250 2.0.0 Ok: queued as 11111111-2222-4333-8444-555555555555";

}  // namespace lsmtpd::test
