// SPDX-License-Identifier: Apache-2.0
// The way of new messages into the journal of layout = "files": while the files are too far behind
// they wait here, and their clients with them. Where no file can be made at all they are refused.
// [any]
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "filer_queue.hpp"
#include "journal/journal.hpp"

namespace lsmtpd::json_spool {

class Pushback {
 public:
  static constexpr std::size_t kMost = 16 * 1024;  // messages that wait

  Pushback(journal::Journal& journal, const FilerQueue& queue,
           std::function<void(std::uint64_t)> delayed)
      : journal_(journal), queue_(queue), delayed_(std::move(delayed)) {}

  // False: too much waits; `append` is unchanged.
  bool submit(std::unique_ptr<journal::MessageAppend>& append);
  // Takes back one that is not begun; null: there is none.
  std::unique_ptr<journal::Append> take_if(
      const std::function<bool(const journal::Append&)>& wanted);
  // Lets the messages go that may, after each batch.
  void release();
  bool holds() const;

 private:
  journal::Journal& journal_;
  const FilerQueue& queue_;
  const std::function<void(std::uint64_t)> delayed_;  // counts
  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<journal::MessageAppend>> held_;
};

}  // namespace lsmtpd::json_spool
