// SPDX-License-Identifier: Apache-2.0
// What replay asks of the spool, as plain file operations: list in steps, load, forget, bury; and
// quarantine. Keeper's thread only; all of it may block on the disk.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <mail_json/mail_reader.hpp>
#include <tl/expected.hpp>

#include "capacity.hpp"
#include "directory.hpp"
#include "files.hpp"

namespace lsmtpd::json_spool {

// A file of the spool as the reader wants it. The descriptor is the caller's.
class FileInput : public mail_json::Input {
 public:
  FileInput(Files& files, int fd) : files_(files), fd_(fd) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    const std::int64_t count = files_.read_at(fd_, offset, buffer, size);
    if (count < 0) error_ = count;
    return count < 0 ? -1 : count;
  }
  // Of the last read that failed, or 0: the reader takes a failure for the end of what is right.
  std::int64_t error() const { return error_; }

 private:
  Files& files_;
  int fd_;
  std::int64_t error_ = 0;
};

class Archive {
 public:
  enum class Loaded { kYes, kGone, kBroken, kTempfail };
  // Makes a message of what was read; false: not now. `content` gives the body once, and an error
  // where the file is broken.
  using Body = std::function<mail_json::Result<void>(const mail_json::Reader::Sink&)>;
  using Make = std::function<Loaded(const mail_json::StoredMail& mail, const Body& body)>;

  struct Page {
    std::vector<std::string> ids;
    bool end = false;
  };

  Archive(Files& files, const Directory& directory, Capacity& capacity);

  // Nothing where the directory cannot be read.
  std::optional<Page> list(bool restart, std::uint32_t max);

  // kBroken: it was put into quarantine, problem() says why.
  Loaded load(const std::string& id, const Make& make);
  const std::string& problem() const { return problem_; }

  // 0, or an errno as a negative number. What is gone already counts as done.
  int forget(const std::string& id);
  int dead_letter(const std::string& id, std::string_view reason);

 private:
  Loaded read(const std::string& id, const Make& make);
  Loaded unreadable(std::int64_t error);
  int write_reason(const std::string& id, std::string_view reason);
  int write_durably(int fd, std::string_view text);
  std::uint64_t size_of(const std::string& name);

  Files& files_;
  const Directory& directory_;
  Capacity& capacity_;
  std::unique_ptr<Listing> listing_;
  std::string problem_;
};

}  // namespace lsmtpd::json_spool
