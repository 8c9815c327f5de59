// SPDX-License-Identifier: Apache-2.0
// The commands of `lsmtpd ctl`: whoever can carry one out adds it here. They come through the Unix
// socket only, never over TCP.
//
//     commands.add("flush", [](const Order& order, const std::shared_ptr<Answer>& answer) {
//       answer->out("2 outputs try again\n");
//       answer->end(0);
//     });
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "io/loop.hpp"

namespace lsmtpd::admin {

struct Order {
  std::string command;                 // "flush"
  std::vector<std::string> arguments;  // the words behind it
  std::string by;                      // who asks: "root (uid 0, pid 12)", for the log
};

class Exchange;

// Where the admin server's loop is, as long as it runs. [any]
class LoopGate {
 public:
  void open(io::Loop& loop);
  void close();
  void post(io::Task task);  // nothing where it is closed

 private:
  std::mutex mutex_;
  io::Loop* loop_ = nullptr;  // guarded by mutex_
};

// The answer to one order: text for the person's terminal, then the exit status of `lsmtpd ctl`. It
// may be kept and used from any thread, also after the client left; one that is dropped without
// end() ends with status 1. [any]
class Answer {
 public:
  // On the exchange's loop.
  Answer(std::shared_ptr<Exchange> exchange, std::shared_ptr<LoopGate> gate);
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  void out(std::string_view text);  // to the command's standard output
  void err(std::string_view text);  // to its standard error
  void end(int status);             // once
  // The client left: nobody reads what is still written.
  bool gone() const { return *gone_; }
  // Octets that are on their way to the client's connection.
  size_t waiting() const { return *waiting_; }

 private:
  void send(std::string line, bool last);

  std::shared_ptr<Exchange> exchange_;  // used on the loop only
  const std::shared_ptr<LoopGate> gate_;
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  const std::shared_ptr<std::atomic<size_t>> waiting_ = std::make_shared<std::atomic<size_t>>(0);
  std::atomic<bool> ended_{false};
};

// Called on the admin server's loop; must return promptly, and may answer later.
using Command = std::function<void(const Order& order, const std::shared_ptr<Answer>& answer)>;

class Commands {
 public:
  void add(const std::string& name, Command command);  // [any] replaces one of that name
  // [any] Waits for a command that runs, so that what it uses may go; not from inside one.
  void remove(const std::string& name);
  bool has(const std::string& name) const;                              // [any]
  void run(const Order& order, const std::shared_ptr<Answer>& answer);  // nothing: it was removed
  std::vector<std::string> names() const;                               // [any]

 private:
  std::mutex running_;  // held while a command runs
  mutable std::mutex mutex_;
  std::map<std::string, Command> commands_;  // guarded by mutex_
};

}  // namespace lsmtpd::admin
