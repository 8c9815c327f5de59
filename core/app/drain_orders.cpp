// SPDX-License-Identifier: Apache-2.0
#include "app/drain_orders.hpp"
#include "app/exit_status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "app/daemon.hpp"
#include "base/text.hpp"

namespace lsmtpd::app {

DrainOrders::DrainOrders(admin::Commands& commands, Daemon daemon)
    : commands_(commands), daemon_(std::move(daemon)), timer_(daemon_.main, [this] { look(); }) {
  commands_.add("drain",
                [this](const admin::Order& given, const std::shared_ptr<admin::Answer>& answer) {
                  Order order{.answer = answer, .ends_at_ms = kWithinMs};
                  bool understood = true;
                  for (size_t i = 0; i < given.arguments.size(); ++i) {
                    const auto& word = given.arguments[i];
                    if (word == "--flush") {
                      order.flush = true;
                      continue;
                    }
                    const auto time = word == "--within" && i + 1 < given.arguments.size()
                                          ? parse_duration(given.arguments[++i])
                                          : fail("no such option");
                    understood = understood && time;
                    if (time) order.ends_at_ms = *time;
                  }
                  if (!understood) {
                    answer->err("usage: lsmtpd ctl drain [--flush] [--within DURATION]\n");
                    answer->end(kExitUsage);
                    return;
                  }
                  daemon_.main.post([this, order] { begin(order); });
                });
}

DrainOrders::~DrainOrders() {
  commands_.remove("drain");
}

void DrainOrders::begin(Order order) {
  if (auto closed = daemon_.close(); !closed) {
    order.answer->err(closed.error().message + "\n");
    order.answer->end(kExitFailed);
    return;
  }
  const uint64_t now = daemon_.main.now_ms();
  order.ends_at_ms += now;
  order.told_at_ms = now;
  orders_.push_back(std::move(order));
  timer_.start(1, kLookMs);
}

void DrainOrders::sessions_ended() {
  sessions_ended_ = true;
  look();
}

void DrainOrders::stopping() {
  timer_.stop();
  for (const auto& order : std::exchange(orders_, {})) {
    order.answer->err("lsmtpd was told to stop\n");
    order.answer->end(kExitFailed);
  }
}

void DrainOrders::look() {
  std::erase_if(orders_, [](const Order& order) { return order.answer->gone(); });
  if (orders_.empty()) timer_.stop();
  if (!sessions_ended_ || orders_.empty() || std::exchange(counting_, true)) return;
  std::vector<server::Worker::Waiting> asked;
  std::vector<std::string> outputs;
  const auto& current = daemon_.generations.current();
  for (const auto& [output, fallback] : current.fallbacks) {
    asked.push_back({current.replays.at(fallback), output});
    outputs.push_back(output);
  }
  if (asked.empty()) return counted({});
  const std::weak_ptr<const bool> here = here_;
  daemon_.workers.front()->count_waiting(
      std::move(asked), [this, here, outputs,
                         &main = daemon_.main](const std::vector<std::optional<uint64_t>>& counts) {
        Waiting waiting;
        for (size_t i = 0; i < outputs.size(); ++i) {
          if (counts[i] != 0) waiting[outputs[i]] = counts[i];
        }
        main.post([this, here, waiting] {
          if (!here.expired()) counted(waiting);
        });
      });
}

void DrainOrders::counted(const Waiting& waiting) {
  counting_ = false;
  const uint64_t now = daemon_.main.now_ms();
  std::erase_if(orders_, [&](Order& order) { return answered(order, waiting, now); });
  if (orders_.empty()) timer_.stop();
}

// True: that was its end.
bool DrainOrders::answered(Order& order, const Waiting& waiting, uint64_t now) {
  if (waiting.empty()) {
    order.answer->out("no mail is taken any more, and nothing waits\n");
    order.answer->end(kExitOk);
    return true;
  }
  const bool over = !order.flush || now >= order.ends_at_ms || all_held(waiting);
  if (over) {
    order.answer->err(fmt::format("no mail is taken any more; {}\n", text_of(waiting)));
    order.answer->end(kExitFailed);
    return true;
  }
  if (order.tried_at_ms == 0 || now - order.tried_at_ms >= kRetryMs) {
    order.tried_at_ms = now;
    daemon_.operators.retry({}, [](size_t) {});
  }
  if (now - order.told_at_ms >= kTellMs) {
    order.told_at_ms = now;
    order.answer->out(text_of(waiting) + "\n");
  }
  return false;
}

std::string DrainOrders::text_of(const Waiting& waiting) const {
  std::string text;
  for (const auto& [output, count] : waiting) {
    text += text.empty() ? "" : ", ";
    text += count ? fmt::format("{} {} for {}", *count, *count == 1 ? "waits" : "wait", output)
                  : fmt::format("it is not known how many wait for {}", output);
    if (daemon_.board.holds().contains(output)) text += " (held)";
  }
  return text;
}

bool DrainOrders::all_held(const Waiting& waiting) const {
  const auto holds = daemon_.board.holds();
  return std::all_of(waiting.begin(), waiting.end(),
                     [&](const auto& each) { return holds.contains(each.first); });
}

}  // namespace lsmtpd::app
