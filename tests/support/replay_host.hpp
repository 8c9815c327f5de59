// SPDX-License-Identifier: Apache-2.0
// A storage with messages in it, outputs that they were stored for, and a Replay between them.
#pragma once

#include "chain_host.hpp"

namespace lsmtpd::test {

class ReplayHost : public ChainHost {
 public:
  explicit ReplayHost(uint64_t memory = 8u << 20)
      : ChainHost(memory), spool("spool"), broker("broker") {}

  void storage_with(Settings settings = {}) {
    auto made = entry("spool", "replay_output", settings);
    made.options["record"] = {{spool.file(), {}}, {}};
    storage = &lane(std::move(made));
    replay = std::make_unique<pipeline::Replay>(loop, borrowed(*storage));
  }
  plugin::Lane& target(const std::string& name, Settings settings = {}, bool recorded = true) {
    auto made = entry(name, "test_output", settings);
    if (recorded) made.options["record"] = {{broker.file(), {}}, {}};
    plugin::Lane& to = lane(std::move(made));
    replay->set_output(borrowed(to));
    return to;
  }
  // As a fallback does it.
  void keep(const std::string& copy_id, const std::string& for_target,
            const std::string& first_recipient = "b@example.org",
            const std::string& content = "x\r\n") {
    EXPECT_EQ(deliver(*storage, mail(content, {first_recipient}), copy_id, for_target).verdict.kind,
              plugin::Kind::stored);
  }
  void keep_for(const std::string& copy_id, const std::string& for_target,
                std::vector<std::string> to) {
    EXPECT_EQ(deliver(*storage, mail("x\r\n", std::move(to)), copy_id, for_target).verdict.kind,
              plugin::Kind::stored);
  }
  // Many at once, one line of content each.
  void store_many(int count, const std::string& for_target, size_t size = 100) {
    int left = count;
    const auto message = mail(std::string(size, 'x'));
    on_loop(loop, [&] {
      for (int i = 0; i < count; ++i) {
        lsmtpd_call call = 0;
        const auto now = storage->deliver(
            message, {fmt::format("id-{:06}", i), for_target, 0, false},
            [&left](const plugin::Completion&) { --left; }, call);
        EXPECT_FALSE(now);
      }
    });
    EXPECT_TRUE(run_until([&] { return left == 0; }));
  }
  void start_replay() {
    on_loop(loop, [&] { replay->start(); });
  }
  // Until `condition` holds, however many passes and pauses that takes.
  bool replay_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      jump(30'000);
      turn(loop, 10);
    }
    return true;
  }
  std::vector<std::string> kept() {
    return ids_of(answer_of([&](plugin::Done d, lsmtpd_call& c) {
      return storage->list(true, 100'000, std::move(d), c);
    }));
  }

  Record spool, broker;
};

}  // namespace lsmtpd::test
