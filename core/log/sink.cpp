// SPDX-License-Identifier: Apache-2.0
#include "log/sink.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <thread>
#include <tuple>

#include "base/text.hpp"
#include "log/line.hpp"

namespace lsmtpd::log {
namespace {

constexpr size_t kBatchSize = 64u << 10;
constexpr int kPollSlice = 100;         // milliseconds
constexpr int kSlicesWhenHurried = 20;  // so a stuck reader delays the end by 2 s at most

bool is_regular(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Pipes take up to PIPE_BUF bytes whole, and do not block for them when poll() says writable.
std::string_view first_piece(std::string_view text, bool regular) {
  if (regular || text.size() <= PIPE_BUF) return text;
  const size_t end = text.rfind('\n', PIPE_BUF - 1);
  return text.substr(0, end == std::string_view::npos ? PIPE_BUF : end + 1);
}

uint64_t count_lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

Sink::Sink(std::string path, UniqueFd fd, bool json)
    : path_(std::move(path)),
      json_(json),
      owned_(std::move(fd)),
      fd_(owned_ ? owned_.get() : STDERR_FILENO),
      regular_(is_regular(fd_)) {}

Result<UniqueFd> Sink::open_file(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  UniqueFd fd(::open(path.c_str(), kFlags, 0640));
  if (!fd) return fail("cannot open the log file {}: {}", path, std::strerror(errno));
  return fd;
}

bool Sink::has_room_for(std::string_view lines) {
  size_t waiting = waiting_;
  do {
    if (waiting >= kQueueLength) {
      lost_ += count_lines(lines);
      return false;
    }
  } while (!waiting_.compare_exchange_weak(waiting, waiting + 1));
  return true;
}

void Sink::sink_it_(const spdlog::details::log_msg& piece) {
  const bool last = --waiting_ == 0;  // first, because its place is free in any case
  pending_.append(piece.payload.data(), piece.payload.size());
  if (last) {
    write_batch();
    linger();
  } else if (pending_.size() >= kBatchSize) {
    write_batch();
  }
}

// A thread that waits for the queue is woken by each piece, with a system call on the loop that
// logs and a write of its own: five times the cost of a line itself. A thread that sleeps meanwhile
// gets the pieces in batches. The first line after a pause is written before the sleep.
void Sink::linger() {
  for (int ms = 0; ms < 5 && !hurry_ && waiting_ < kQueueLength / 4; ++ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Only reopen() asks for it: earlier lines are in the old file, later ones in the new.
void Sink::flush_() {
  write_batch();
  reopen_if_asked();
}

void Sink::write_batch() {
  report_dropped();
  write_out();
}

void Sink::report_dropped() {
  const uint64_t dropped = lost_;
  if (dropped == reported_) return;
  append_line(Level::warn, "log_overrun", {{"dropped", dropped - reported_}, {"total", dropped}});
  reporting_ = dropped;
}

void Sink::append_line(Level level, Event event, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  const Line line{
      std::chrono::system_clock::now(), level, event.text(), {fields.begin(), fields.size()}};
  if (json_) {
    append_json(pending_, line);
  } else {
    append_text(pending_, line);
  }
  ++own_lines_;
}

void Sink::write_out() {
  const bool mends = torn_ && !pending_.empty();
  if (mends) pending_.insert(pending_.begin(), '\n');  // ends a line that is counted as lost
  std::string_view rest = pending_;
  while (!rest.empty() && write_piece(first_piece(rest, regular_), rest)) {
  }
  if (rest.empty()) {
    reported_ = reporting_;
    if (!pending_.empty()) failed_ = false;
  } else {
    // The sink's own lines come last, so they are among the rest, as is its newline if that found
    // no room.
    const bool unmended = mends && rest.size() == pending_.size();
    lost_ += count_lines(rest) - own_lines_ - (unmended ? 1 : 0);
  }
  own_lines_ = 0;
  pending_.clear();
}

// Writes all of `rest`; false when the rest of this batch cannot be written (disk full, reader
// gone). Written octets are removed from the front of `rest`.
bool Sink::write_piece(std::string_view piece, std::string_view& rest) {
  while (!piece.empty()) {
    if (!regular_ && !wait_until_writable()) return false;
    const ssize_t n = ::write(fd_, piece.data(), piece.size());
    if (n > 0) {
      torn_ = piece[static_cast<size_t>(n) - 1] != '\n';
      piece.remove_prefix(static_cast<size_t>(n));
      rest.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
      say_that_it_failed(errno);
      return false;
    }
  }
  return true;
}

// Reported once, until a batch is written in full again: the log itself cannot report its failure.
// Where the log is standard error there is no other place.
void Sink::say_that_it_failed(int error) {
  if (failed_ || path_.empty()) return;
  failed_ = true;
  const std::string line = fmt::format(
      "lsmtpd: cannot write to the log {}: {}; lines are lost until it can be written to again\n",
      escape_for_log(path_), std::strerror(error));
  pollfd entry{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&entry, 1, 0) > 0) std::ignore = ::write(STDERR_FILENO, line.data(), line.size());
}

bool Sink::wait_until_writable() {
  int slices = 0;
  while (!gave_up_) {
    pollfd entry{fd_, POLLOUT, 0};
    const int ready = ::poll(&entry, 1, kPollSlice);
    if (ready > 0) return true;  // an error too: write() will say which
    if (hurry_ && ++slices >= kSlicesWhenHurried) gave_up_ = true;
  }
  return false;
}

void Sink::reopen_if_asked() {
  if (!reopen_.exchange(false) || path_.empty()) return;
  auto fd = open_file(path_);
  if (!fd) {
    append_line(Level::warn, "log_reopen_failed", {{"error", fd.error().message}});
    write_out();
    return;
  }
  owned_ = std::move(*fd);
  fd_ = owned_.get();
  regular_ = is_regular(fd_);
  torn_ = false;
  append_line(Level::info, "log_reopened", {});
  write_out();
}

}  // namespace lsmtpd::log
