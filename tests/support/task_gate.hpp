// SPDX-License-Identifier: Apache-2.0
// A gate at which work on other threads blocks until the test opens it.
#pragma once

#include <functional>
#include <future>
#include <utility>

namespace lsmtpd::test {

class Gate {
 public:
  ~Gate() { open(); }
  // Work that blocks until the gate opens. It may outlive the gate.
  std::function<void()> work() {
    return [gate = opened_] { gate.wait(); };
  }
  void open() {
    if (!std::exchange(is_open_, true)) promise_.set_value();
  }

 private:
  bool is_open_ = false;
  std::promise<void> promise_;
  std::shared_future<void> opened_ = promise_.get_future().share();
};

}  // namespace lsmtpd::test
