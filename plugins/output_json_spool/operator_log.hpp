// SPDX-License-Identifier: Apache-2.0
// The changes that operators make to stored messages with `lsmtpd spool`, and their names: the tool
// appends a line for each message to a file in the spool's directory, and the daemon that uses the
// directory writes them to its log within a second, or after its next start, and removes the file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "files.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

// The tool's side. [main]
class OperatorLog {
 public:
  OperatorLog(Files& files, int directory);
  ~OperatorLog() { flush(); }
  OperatorLog(const OperatorLog&) = delete;
  OperatorLog& operator=(const OperatorLog&) = delete;

  // `action`: "removed", "put back" and so on; `place`: where to or from, may be empty.
  void add(std::string_view action, const CopyKey& key, std::string_view place = {});
  // Writes what add() collected.
  void flush();
  // Why lines could not be written; empty: all were.
  const std::string& problem() const { return problem_; }

 private:
  static constexpr std::size_t kBatch = 4096;  // bytes; a kill loses no more lines than that

  int open_locked();

  Files& files_;
  const int directory_;
  const std::string by_;
  std::string lines_;
  std::string problem_;
};

// The daemon's side: takes what tools wrote, in steps. [keeper]
class OperatorLines {
 public:
  struct Line {
    std::string action, id, state, place, by, time;
  };
  using Write = std::function<void(const Line&)>;

  OperatorLines(Files& files, int directory, Write write)
      : files_(files), directory_(directory), write_(std::move(write)) {}

  // Takes up to a step of what is there. True: there is more.
  bool take();

 private:
  static constexpr std::size_t kStep = 16 * 1024;  // bytes

  bool begin();

  Files& files_;
  const int directory_;
  Write write_;
  File file_;
  std::uint64_t offset_ = 0;
};

}  // namespace lsmtpd::json_spool
