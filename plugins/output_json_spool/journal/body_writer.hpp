// SPDX-License-Identifier: Apache-2.0
// Writes large content to a file of its own and flushes it, on threads of its own, before its
// record joins a group: the messages of a group do not wait for the content of another.
//
// Order: start() [main]; submit(), take_if() [any]; stop() [main], before the writer's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "journal/group_writer.hpp"
#include "journal/message_append.hpp"

namespace lsmtpd::journal {

class BodyWriter {
 public:
  static constexpr std::size_t kQueueMax = 4096;

  BodyWriter(SegmentFiles& files, State& state, GroupWriter& writer, std::uint32_t threads,
             std::function<void(const GroupWriter::Failure&)> failed)
      : files_(files),
        state_(state),
        writer_(writer),
        thread_count_(threads),
        failed_(std::move(failed)) {}
  ~BodyWriter() { stop(); }

  void start();
  void stop();

  // False: too much waits; `append` is unchanged.
  bool submit(std::unique_ptr<MessageAppend>& append);
  std::unique_ptr<Append> take_if(const std::function<bool(const Append&)>& wanted);

 private:
  void run();
  void store(std::unique_ptr<MessageAppend> append);
  GroupWriter::Failure write(MessageAppend& append, std::uint64_t number);

  SegmentFiles& files_;
  State& state_;
  GroupWriter& writer_;
  const std::uint32_t thread_count_;
  const std::function<void(const GroupWriter::Failure&)> failed_;

  std::mutex mutex_;
  std::condition_variable queued_;
  std::deque<std::unique_ptr<MessageAppend>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lsmtpd::journal
