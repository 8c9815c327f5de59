// SPDX-License-Identifier: Apache-2.0
// An answer goes over the wire as lines of JSON: {"out": "text"}, {"err": "text"} and, as the last
// one, {"exit": 0}.
#include "admin/ctl_commands.hpp"

#include <atomic>

#include "admin/http_server.hpp"
#include "admin/json.hpp"

namespace lsmtpd::admin {

void LoopGate::open(io::Loop& loop) {
  const std::lock_guard lock(mutex_);
  loop_ = &loop;
}

void LoopGate::close() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

void LoopGate::post(io::Task task) {
  const std::lock_guard lock(mutex_);
  if (loop_) loop_->post(std::move(task));
}

Answer::Answer(std::shared_ptr<Exchange> exchange, std::shared_ptr<LoopGate> gate)
    : exchange_(std::move(exchange)), gate_(std::move(gate)) {
  exchange_->when_closed([gone = gone_] { *gone = true; });
}

Answer::~Answer() {
  end(1);
  // The exchange ends on its loop.
  gate_->post([exchange = std::move(exchange_)] {});
}

void Answer::send(std::string line, bool last) {
  *waiting_ += line.size();
  gate_->post([exchange = exchange_, waiting = waiting_, line = std::move(line), last] {
    *waiting -= line.size();
    exchange->write(line);
    if (last) exchange->end();
  });
}

void Answer::out(std::string_view text) {
  if (!ended_) send(json_line("out", text), false);
}

void Answer::err(std::string_view text) {
  if (!ended_) send(json_line("err", text), false);
}

void Answer::end(int status) {
  if (ended_.exchange(true)) return;
  send(json_line("exit", status), true);
}

void Commands::add(const std::string& name, Command command) {
  const std::lock_guard lock(mutex_);
  commands_[name] = std::move(command);
}

void Commands::remove(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    commands_.erase(name);
  }
  const std::lock_guard ended(running_);
}

bool Commands::has(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return commands_.contains(name);
}

void Commands::run(const Order& order, const std::shared_ptr<Answer>& answer) {
  const std::lock_guard running(running_);
  Command command;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = commands_.find(order.command); found != commands_.end())
      command = found->second;
  }
  if (command) command(order, answer);
}

std::vector<std::string> Commands::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [name, command] : commands_) all.push_back(name);
  return all;
}

}  // namespace lsmtpd::admin
