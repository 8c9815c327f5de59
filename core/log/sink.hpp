// SPDX-License-Identifier: Apache-2.0
// The output of the log's thread: a file, or standard error.
//
// log.cpp makes one for each open() and hands it to spdlog's asynchronous logger. The log thread
// alone calls sink_it_() and flush_(); has_room_for(), request_reopen(), hurry() and lost() may
// come from any thread; write_batch() only when the log thread has been joined. Lines are gathered
// while more wait in the queue and written in one go when none does, at most every 5 ms: a busy
// daemon pays one system call for many lines, a quiet one sees each at once.
#pragma once

#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <initializer_list>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "log/log.hpp"

namespace lsmtpd::log {

class Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  // Pieces that may wait. One takes 400 bytes in the queue while its lines have up to 250, and
  // their length beyond that; it has 4 KiB and a line at most.
  static constexpr size_t kQueueLength = 2048;

  // An empty path is standard error.
  Sink(std::string path, UniqueFd fd, bool json);

  // A FIFO without a reader is an error and not a wait.
  static Result<UniqueFd> open_file(const std::string& path);

  // Call it before lines are queued. False: there is no room, do not queue them; they count as
  // lost.
  bool has_room_for(std::string_view lines);
  // The next flush reopens the file. False: one is queued already.
  bool request_reopen() { return !reopen_.exchange(true); }
  void hurry() { hurry_ = true; }          // from now on no wait for a reader that takes nothing
  uint64_t lost() const { return lost_; }  // lines that found no room or could not be written
  void write_batch();                      // writes all pending lines

 private:
  void sink_it_(const spdlog::details::log_msg& line) override;
  void flush_() override;

  void linger();
  void report_dropped();
  void write_out();
  bool write_piece(std::string_view piece, std::string_view& rest);
  bool wait_until_writable();
  void reopen_if_asked();
  void say_that_it_failed(int error);
  void append_line(Level level, Event event, std::initializer_list<Field> fields);

  const std::string path_;
  const bool json_;
  UniqueFd owned_;
  int fd_;
  bool regular_ = false;
  bool torn_ = false;       // the last write stopped inside a line
  bool failed_ = false;     // the last write; standard error has been told
  bool gave_up_ = false;    // hurried, and the reader took nothing
  uint64_t reported_ = 0;   // dropped lines that a written line has reported
  uint64_t reporting_ = 0;  // the same, once the pending lines are written
  uint64_t own_lines_ = 0;  // pending lines that are the sink's, not the callers'
  std::string pending_;
  std::atomic<bool> reopen_{false};
  std::atomic<bool> hurry_{false};
  std::atomic<uint64_t> lost_{0};
  std::atomic<size_t> waiting_{0};  // pieces in the queue
};

}  // namespace lsmtpd::log
