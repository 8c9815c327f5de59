// SPDX-License-Identifier: Apache-2.0
// The files of a journal's segments, DIRECTORY/journal/NUMBER.segment, and of content that is
// apart, NUMBER.body. [any]; all of it may block on the disk.
#pragma once

#include <mail_json/json_scanner.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "files.hpp"
#include "journal/format.hpp"

namespace lsmtpd::journal {

using json_spool::File;
using json_spool::Files;

// "000000000000002a"
std::string hex_number(std::uint64_t number);

struct FileName {
  std::uint64_t number = 0;
  bool body = false;  // else a segment
};
// Nothing: it is no file of a journal.
std::optional<FileName> parse_file_name(std::string_view name);
// A segment that was not completed.
bool is_unfinished(std::string_view name);
std::string segment_name(std::uint64_t number);
std::string body_name(std::uint64_t number);

// 0, or an error.
std::int64_t write_all(Files& files, int fd, std::uint64_t offset, std::string_view bytes);

// An open file as an input; a failed read is told apart from the end.
class FileBytes : public mail_json::Input {
 public:
  FileBytes(Files& files, int fd) : files_(files), fd_(fd) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    const std::int64_t count = files_.read_at(fd_, offset, buffer, size);
    if (count < 0) error_ = count;
    return count < 0 ? -1 : count;
  }
  std::int64_t error() const { return error_; }

 private:
  Files& files_;
  int fd_;
  std::int64_t error_ = 0;
};

class SegmentFiles {
 public:
  // `directory` is the caller's. `recycle`: segments are filled with zeros once and used again, so
  // that no flush has to write metadata; without it they grow and are removed, for file systems
  // that never write in place.
  SegmentFiles(Files& files, int directory, std::uint32_t size, bool recycle)
      : files_(files), directory_(directory), size_(size), recycle_(recycle) {}

  // busy: groups are flushed meanwhile. The zeros go to the disk piece by piece then, since a flush
  // waits for all that the disk was given before it.
  enum class Disk { idle, busy };

  // A free segment, durable with its name. 0, or an error; then there is no file.
  std::int64_t create(std::uint64_t number, Disk disk);
  // Durable: free, or of this use.
  std::int64_t write_header(std::uint64_t number, const SegmentHeader& header);
  std::int64_t remove(std::uint64_t number);

  // A descriptor, or an error.
  int open(std::uint64_t number) {
    return files_.open_existing(directory_, segment_name(number).c_str());
  }
  int open_to_write(std::uint64_t number) {
    return files_.open_to_change(directory_, segment_name(number).c_str());
  }

  // A segment is not made where less than this would be left. [any]
  void set_min_free(std::uint64_t bytes) { min_free_ = bytes; }

  std::uint32_t size() const { return size_; }
  bool recycle() const { return recycle_; }
  Files& files() { return files_; }
  int directory() const { return directory_; }

 private:
  std::int64_t fill(int fd, Disk disk);

  Files& files_;
  const int directory_;
  const std::uint32_t size_;
  const bool recycle_;
  std::atomic<std::uint64_t> min_free_{0};
};

}  // namespace lsmtpd::journal
