// SPDX-License-Identifier: Apache-2.0
// Waits for the answers of appends. A thread that is not the writer's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "journal/group_writer.hpp"
#include "journal/message_append.hpp"

namespace lsmtpd::journal {

class Answers {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++waiting_;
  }
  void end(std::int64_t error) {
    const std::lock_guard lock(mutex_);
    if (error < 0) error_ = error;
    if (--waiting_ == 0) changed_.notify_all();  // under the lock: this may be gone after it
  }
  // 0, or the last error.
  std::int64_t wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ == 0; });
    return error_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  std::int64_t error_ = 0;
};

// All removals so far are written, and with `flush` durable.
class Note : public Append {
 public:
  Note(Answers& answers, bool flush) : answers_(answers), flush_(flush) { answers.begin(); }
  bool wants_flush() const override { return flush_; }
  void answer(std::int64_t error) override { answers_.end(error); }

 private:
  Answers& answers_;
  const bool flush_;
};

// A copy that gets another place. Its content is in memory, or in a file that it keeps.
class Rewrite : public MessageAppend {
 public:
  // `if_gone`: the answer where it had gone from its former place.
  Rewrite(Answers& answers, NewCopy copy, const Key& key, std::string content,
          std::int64_t if_gone = 0)
      : answers_(answers), content_(std::move(content)), if_gone_(if_gone) {
    prepare(std::move(copy), key);
    answers.begin();
  }

 protected:
  bool content(const Sink& sink) override { return sink(content_); }
  void answered(std::int64_t error) override {
    answers_.end(error == 0 && !place() ? if_gone_ : error);
  }

 private:
  Answers& answers_;
  const std::string content_;
  const std::int64_t if_gone_;
};

// Submits it; one that is refused is answered here.
inline void submit_or_answer(GroupWriter& writer, std::unique_ptr<Append> append) {
  constexpr std::int64_t kCanceled = -125;  // ECANCELED: the journal ends
  if (!writer.submit(append, true)) append->answer(kCanceled);
}

}  // namespace lsmtpd::journal
