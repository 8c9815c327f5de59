// SPDX-License-Identifier: Apache-2.0
#include "app/operator_commands.hpp"
#include "app/exit_status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "app/daemon.hpp"
#include "app/holds_file.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

namespace {

constexpr std::array<const char*, 5> kNames{"hold", "release", "flush", "log-level", "sessions"};
constexpr size_t kMostSessions = 1000;  // that are shown

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void misused(const std::shared_ptr<admin::Answer>& answer, const std::string& usage) {
  answer->err("usage: lsmtpd ctl " + usage + "\n");
  answer->end(kExitUsage);
}

void set_log_level(const admin::Order& order, const std::shared_ptr<admin::Answer>& answer) {
  if (order.arguments.size() > 1) return misused(answer, "log-level [LEVEL]");
  if (order.arguments.empty()) {
    answer->out(fmt::format("{}\n", log::level_name(log::level())));
    answer->end(kExitOk);
    return;
  }
  const auto level = log::parse_level(order.arguments[0]);
  if (!level) {
    answer->err(level.error().message + "\n");
    answer->end(kExitUsage);
    return;
  }
  log::set_level(*level);
  answer->out(
      fmt::format("the log has lines from {} on, until a restart, or a reload that changes [log]\n",
                  order.arguments[0]));
  answer->end(kExitOk);
}

std::string line_of(const server::SessionInfo& session) {
  return fmt::format("{:<10} {:<26} {:<12} {:<8} {:>7} {:>9} {}\n",
                     fmt::format("{}/{}", session.worker, session.number), session.peer,
                     session.listener, session.state, session.seconds, session.octets, session.id);
}

}  // namespace

OperatorCommands::OperatorCommands(admin::Board& board, admin::Commands& commands,
                                   std::shared_ptr<plugin::Holds> holds, Daemon daemon)
    : board_(board), commands_(commands), holds_(std::move(holds)), daemon_(std::move(daemon)) {
  auto kept = read_holds(daemon_.state_directory);
  if (!kept) {
    log::error("holds_not_kept", {{"error", kept.error().message}});
  } else {
    for (const auto& [output, hold] : *kept) holds_->set(output, true);
    board_.set_holds(std::move(*kept));
  }
  commands_.add("hold", [this](const Order& o, const Answer& a) { hold(o, a); });
  commands_.add("release", [this](const Order& o, const Answer& a) { release(o, a); });
  commands_.add("flush", [this](const Order& o, const Answer& a) { flush(o, a); });
  commands_.add("sessions", [this](const Order& o, const Answer& a) { sessions(o, a); });
  commands_.add("log-level", set_log_level);
}

OperatorCommands::~OperatorCommands() {
  for (const char* name : kNames) commands_.remove(name);
}

void OperatorCommands::warn_of_holds() const {
  for (const auto& [output, hold] : board_.holds()) {
    log::warn("output_held",
              {{"plugin", output},
               {"by", hold.by},
               {"for_s", static_cast<uint64_t>(std::max(0.0, epoch_seconds() - hold.since))}});
  }
}

void OperatorCommands::hold(const Order& order, const Answer& answer) {
  if (order.arguments.size() != 1) return misused(answer, "hold OUTPUT");
  daemon_.main.post([this, order, answer] { hold_on_main(order, answer); });
}

// [main] Asked of the configuration: at a start no worker has reported an output yet.
void OperatorCommands::hold_on_main(const Order& order, const Answer& answer) {
  const std::string& output = order.arguments[0];
  const auto outputs = daemon_.outputs();
  const auto found = outputs.find(output);
  if (found == outputs.end()) {
    answer->err(fmt::format("there is no output {}\n", output));
    answer->end(kExitFailed);
    return;
  }
  const admin::Hold made{.since = epoch_seconds(), .by = order.by};
  answer->out(found->second.empty()
                  ? fmt::format("{} is held: its mail gets 451, since it has no fallback\n", output)
                  : fmt::format("{} is held: its mail goes to {}\n", output, found->second));
  set_hold(output, &made, answer);
}

// Of an output that is gone too: its hold is still there.
void OperatorCommands::release(const Order& order, const Answer& answer) {
  if (order.arguments.size() != 1) return misused(answer, "release OUTPUT");
  const std::string& output = order.arguments[0];
  if (!board_.holds().contains(output)) {
    answer->err(fmt::format("{} is not held\n", output));
    answer->end(kExitFailed);
    return;
  }
  answer->out(fmt::format("{} is released\n", output));
  set_hold(output, nullptr, answer);
  daemon_.main.post([this, output] { retry(output, [](size_t) {}); });
}

void OperatorCommands::set_hold(const std::string& output, const admin::Hold* hold,
                                const Answer& answer) {
  const std::lock_guard lock(mutex_);
  auto all = board_.holds();
  if (hold) {
    all.insert_or_assign(output, *hold);
  } else {
    all.erase(output);
  }
  holds_->set(output, hold != nullptr);
  board_.set_holds(all);
  const Status kept = daemon_.state_directory.empty() ? fail("server.state_directory is not set")
                                                      : write_holds(daemon_.state_directory, all);
  if (!kept) {
    answer->err(fmt::format("this ends with the daemon: {}\n", kept.error().message));
    log::warn("holds_not_kept", {{"error", kept.error().message}});
  }
  answer->end(kExitOk);
}

// [main] Each worker has a lane of the output, with a connection and pauses of its own.
void OperatorCommands::retry(const std::string& selection, std::function<void(size_t)> done) {
  const auto workers = daemon_.workers();
  if (workers.empty()) return done(0);
  struct Waiting {
    std::atomic<size_t> left, found{0};
    std::function<void(size_t)> done;
  };
  const auto waiting = std::make_shared<Waiting>();
  waiting->left = workers.size();
  waiting->done = std::move(done);
  for (auto* worker : workers) {
    worker->retry_now(selection, [waiting](size_t found) {
      waiting->found += found;
      if (--waiting->left == 0) waiting->done(waiting->found);
    });
  }
}

void OperatorCommands::flush(const Order& order, const Answer& answer) {
  if (order.arguments.size() > 1) return misused(answer, "flush [OUTPUT|ID]");
  const std::string selection = order.arguments.empty() ? "" : order.arguments[0];
  daemon_.main.post([this, selection, answer] {
    retry(selection, [selection, answer](size_t found) {
      if (found == 0) {
        answer->err(
            fmt::format("{} is neither an output nor a message that waits for its own "
                        "next try\n",
                        selection));
        answer->end(kExitFailed);
        return;
      }
      answer->out(selection.empty() ? "all outputs try again now\n"
                                    : fmt::format("{} is tried again now\n", selection));
      answer->end(kExitOk);
    });
  });
}

void OperatorCommands::sessions(const Order& order, const Answer& answer) {
  if (!order.arguments.empty()) return misused(answer, "sessions");
  daemon_.main.post([this, answer] {
    const auto workers = daemon_.workers();
    struct Waiting {
      std::mutex mutex;
      size_t left = 0;
      std::vector<server::SessionInfo> all;
      size_t total = 0;
    };
    const auto waiting = std::make_shared<Waiting>();
    waiting->left = workers.size();
    if (workers.empty()) answer->end(kExitOk);
    for (auto* worker : workers) {
      worker->list_sessions(
          kMostSessions, [waiting, answer](std::vector<server::SessionInfo> some, size_t total) {
            const std::lock_guard lock(waiting->mutex);
            waiting->total += total;
            std::move(some.begin(), some.end(), std::back_inserter(waiting->all));
            if (--waiting->left > 0) return;
            std::string text = fmt::format("{:<10} {:<26} {:<12} {:<8} {:>7} {:>9} {}\n", "SESSION",
                                           "PEER", "LISTENER", "STATE", "SECONDS", "OCTETS", "ID");
            for (const auto& session : waiting->all) text += line_of(session);
            answer->out(text + fmt::format("{} in all\n", waiting->total));
            answer->end(kExitOk);
          });
    }
  });
}

}  // namespace lsmtpd::app
