// SPDX-License-Identifier: Apache-2.0
#include "app/trace_orders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>

#include "app/exit_status.hpp"
#include "base/text.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kLookMs = 1000;
constexpr const char* kUsage =
    "usage: lsmtpd ctl trace [--peer NET] [--to ADDR] [--log] [--within DURATION]\n";

std::string time_of_day() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  ::localtime_r(&now.tv_sec, &local);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", local.tm_hour, local.tm_min, local.tm_sec,
                     now.tv_nsec / 1'000'000);
}

// A terminal that does not keep up loses lines, and is told how many.
auto to_terminal(const std::shared_ptr<admin::Answer>& answer) {
  const auto lost = std::make_shared<std::atomic<uint64_t>>(0);
  return [answer, lost](std::string_view session, std::string_view line) {
    if (answer->waiting() > TraceOrders::kMostWaiting) {
      ++*lost;
      return;
    }
    if (const uint64_t count = lost->exchange(0))
      answer->out(fmt::format("({} lines left out)\n", count));
    answer->out(fmt::format("{} {} {}\n", time_of_day(), session, line));
  };
}

}  // namespace

TraceOrders::TraceOrders(admin::Commands& commands, io::Loop& main, Workers& workers)
    : commands_(commands), loop_(main), workers_(workers), timer_(main, [this] { look(); }) {
  commands_.add("trace",
                [this](const admin::Order& order, const std::shared_ptr<admin::Answer>& answer) {
                  auto made = wanted(order);
                  if (!made) {
                    answer->err(made.error().message + "\n" + kUsage);
                    answer->end(kExitUsage);
                    return;
                  }
                  loop_.post([this, made = *made, answer] { begin(made, answer); });
                });
}

TraceOrders::~TraceOrders() {
  commands_.remove("trace");
  for (const auto& running : running_) {
    if (!running.answer) continue;
    running.answer->out("the daemon stops\n");
    running.answer->end(kExitOk);
  }
}

Result<TraceOrders::Wanted> TraceOrders::wanted(const admin::Order& order) {
  Wanted made;
  made.running.trace = std::make_shared<server::Trace>();
  made.running.by = order.by;
  for (size_t i = 0; i < order.arguments.size(); ++i) {
    const std::string& word = order.arguments[i];
    made.running.what += (i > 0 ? " " : "") + word;
    if (word == "--log") {
      made.to_log = true;
      continue;
    }
    if (i + 1 == order.arguments.size()) return fail("{} needs a value", word);
    const std::string& value = order.arguments[++i];
    made.running.what += " " + value;
    if (word == "--peer") {
      const auto network = parse_network(value);
      if (!network) return tl::unexpected(network.error());
      made.running.trace->peers.push_back(*network);
    } else if (word == "--to") {
      if (value.find('@') == value.npos)
        return fail("\"{}\" is no address, and no \"@domain\"", value);
      made.running.trace->to = value;
    } else if (word == "--within") {
      const auto time = parse_duration(value);
      if (!time) return tl::unexpected(time.error());
      made.within_ms = std::min(*time, kLongestMs);
    } else {
      return fail("trace has no option {}", word);
    }
  }
  if (made.running.trace->peers.empty() && made.running.trace->to.empty())
    return fail("say whose sessions: --peer, --to, or both");
  return made;
}

void TraceOrders::begin(Wanted wanted, const std::shared_ptr<admin::Answer>& answer) {
  if (running_.size() >= kMost || workers_.empty()) {
    answer->err(workers_.empty() ? "the daemon is starting\n"
                                 : fmt::format("{} traces run already\n", running_.size()));
    answer->end(kExitFailed);
    return;
  }
  if (wanted.to_log && !log::enabled(log::Level::info)) {
    answer->err("the log has no lines of info: lsmtpd ctl log-level info, or the terminal\n");
    answer->end(kExitFailed);
    return;
  }
  Running running = std::move(wanted.running);
  running.ends_at_ms = loop_.now_ms() + wanted.within_ms;
  const std::string until = format_duration(wanted.within_ms);
  if (wanted.to_log) {
    running.trace->write = [](std::string_view session, std::string_view line) {
      log::info("trace", {{"session", session}, {"line", line}});
    };
    answer->out(fmt::format("the log has it, for {}\n", until));
    answer->end(kExitOk);
  } else {
    running.trace->write = to_terminal(answer);
    running.answer = answer;
    answer->out(fmt::format("{} * the trace begins, and ends after {}\n", time_of_day(), until));
  }
  log::info("trace_begun", {{"traced", running.what}, {"by", running.by}});
  for (const auto& worker : workers_) worker->begin_trace(running.trace);
  running_.push_back(std::move(running));
  timer_.start(kLookMs, kLookMs);
}

void TraceOrders::look() {
  const uint64_t now = loop_.now_ms();
  std::erase_if(running_, [&](const Running& running) {
    const bool left = running.answer && running.answer->gone();
    if (!left && now < running.ends_at_ms) return false;
    end(running, left ? "the operator left" : "its time is over");
    return true;
  });
  if (running_.empty()) timer_.stop();
}

void TraceOrders::end(const Running& running, const char* why) {
  for (const auto& worker : workers_) worker->end_trace(running.trace);
  log::info("trace_ended", {{"traced", running.what}, {"by", running.by}, {"why", why}});
  if (!running.answer) return;
  running.answer->out(fmt::format("{} * the trace ends: {}\n", time_of_day(), why));
  running.answer->end(kExitOk);
}

}  // namespace lsmtpd::app
