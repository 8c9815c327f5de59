// SPDX-License-Identifier: Apache-2.0
#include "pushback.hpp"

#include <algorithm>

namespace lsmtpd::json_spool {

bool Pushback::submit(std::unique_ptr<journal::MessageAppend>& append) {
  {
    const std::lock_guard lock(mutex_);
    if (!held_.empty() || queue_.is_full()) {
      if (held_.size() >= kMost) return false;
      held_.push_back(std::move(append));
      delayed_(1);
      return true;
    }
  }
  return journal_.submit(append);
}

std::unique_ptr<journal::Append> Pushback::take_if(
    const std::function<bool(const journal::Append&)>& wanted) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(held_.begin(), held_.end(),
                                    [&](const auto& append) { return wanted(*append); });
    if (found != held_.end()) {
      std::unique_ptr<journal::Append> taken = std::move(*found);
      held_.erase(found);
      return taken;
    }
  }
  return journal_.take_if(wanted);
}

void Pushback::release() {
  for (;;) {
    const std::int64_t refused = queue_.refuses();
    std::unique_ptr<journal::MessageAppend> next;
    {
      const std::lock_guard lock(mutex_);
      if (held_.empty() || (refused == 0 && queue_.is_full())) return;
      next = std::move(held_.front());
      held_.pop_front();
      if (refused == 0 && !journal_.submit(next)) {
        held_.push_front(std::move(next));
        return;
      }
    }
    if (next != nullptr) next->answer(refused);
  }
}

bool Pushback::holds() const {
  const std::lock_guard lock(mutex_);
  return !held_.empty();
}

}  // namespace lsmtpd::json_spool
