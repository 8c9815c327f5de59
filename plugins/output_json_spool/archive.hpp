// SPDX-License-Identifier: Apache-2.0
// The file operations of replay: list in steps, load, forget, keep as a dead letter; and
// quarantine. Keeper's thread only; all of them may block on the disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <mail_json/mail_reader.hpp>
#include <tl/expected.hpp>

#include "capacity.hpp"
#include "directory.hpp"
#include "files.hpp"
#include "log_lines/line_limit.hpp"

namespace lsmtpd::json_spool {

// A file of the spool as an Input of the reader. The descriptor is the caller's.
class FileInput : public mail_json::Input {
 public:
  FileInput(Files& files, int fd) : files_(files), fd_(fd) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    const std::int64_t count = files_.read_at(fd_, offset, buffer, size);
    if (count < 0) error_ = count;
    return count < 0 ? -1 : count;
  }
  // The error of the last read that failed, or 0: the reader cannot tell a failed read from a
  // broken file.
  std::int64_t error() const { return error_; }

 private:
  Files& files_;
  int fd_;
  std::int64_t error_ = 0;
};

class Archive {
 public:
  enum class Loaded { yes, gone, broken, tempfail };
  // Builds a message from the file; false: a tempfail. `content` gives the body once, and an error
  // where the file is broken.
  using Body = std::function<mail_json::Result<void>(const mail_json::Reader::Sink&)>;
  using Make = std::function<Loaded(const mail_json::StoredMail& mail, const Body& body)>;

  struct Copy {
    std::string id;
    std::int64_t time_ns = 0;
    std::uint64_t bytes = 0;
    bool in_doubt = false;
  };
  struct Page {
    std::vector<Copy> copies;
    bool end = false;
    std::uint64_t waiting = 0;  // in the directory, where it was read from the start; else 0
  };
  static constexpr std::size_t kWindow = 4096;  // copies that are put in order at a time

  Archive(Files& files, const Directory& directory, Capacity& capacity);

  // Copies in doubt first, then the oldest. Empty where the directory cannot be read. `since_ns`:
  // with `restart` only those that got their names since then.
  std::optional<Page> list(bool restart, std::uint32_t max, std::int64_t since_ns = 0);
  // It waits for longer than max_age.
  bool is_expired(const Copy& copy) const;

  // For a count: all names, in no order; null: the directory cannot be read.
  std::unique_ptr<Listing> all() const;
  // Looks at the next of them, and adds one to `found` where it waits for `target` or cannot be
  // read. Those that were `counted` are left out. False: there was none.
  using Counted = std::function<bool(const std::string& id)>;
  bool count_next(Listing& listing, const std::string& target, const Counted& counted,
                  std::uint64_t& found);

  // broken: the file was put into quarantine, problem() says why.
  Loaded load(const std::string& id, const Make& make);
  const std::string& problem() const { return problem_; }
  // Of the log's lines about files that cannot be read for now.
  log_lines::SharedLineLimit& unreadable() { return unreadable_; }

  // 0, or an errno as a negative number. A file that is gone already counts as done.
  int forget(const std::string& id);
  int dead_letter(const std::string& id, std::string_view reason);

 private:
  bool fill_window(std::uint64_t& found);
  Loaded read(const std::string& id, const Make& make);
  Loaded unreadable(std::int64_t error);
  int write_reason(const std::string& id, std::string_view reason);
  int write_durably(int fd, std::string_view text);
  std::uint64_t size_of(const std::string& name);

  Files& files_;
  const Directory& directory_;
  Capacity& capacity_;

  // The place of a copy in the order of list().
  struct Place {
    bool sure;
    std::int64_t time_ns;
    std::string id;
    static Place of(const Copy& copy) { return {!copy.in_doubt, copy.time_ns, copy.id}; }
    bool operator<(const Place& other) const {
      return std::tie(sure, time_ns, id) < std::tie(other.sure, other.time_ns, other.id);
    }
  };
  std::int64_t since_ns_ = 0;
  std::optional<Place> listed_;  // the last copy that was listed
  std::vector<Copy> window_;     // the next copies, in reverse order
  bool window_has_all_ = false;  // the window has all copies that are left
  log_lines::SharedLineLimit unreadable_{3, 60'000};
  std::string problem_;
};

}  // namespace lsmtpd::json_spool
