// SPDX-License-Identifier: Apache-2.0
// Makes the JSON file of one message, in steps that a batch takes together: write() -> flush() of
// each, or one flush of all -> publish(), then the directory's own sync, by the Filer. After any
// failure the destructor removes the file, and no step is repeated: a failed flush is final for its
// file. The Filer's thread.
#pragma once

#include <cerrno>
#include <cstdint>
#include <mail_json/content.hpp>
#include <mail_json/stored.hpp>
#include <optional>
#include <string>

#include "directory.hpp"
#include "files.hpp"

namespace lsmtpd::json_spool {

class StagedFile {
 public:
  // The operation that failed, and its errno as a negative number; error == 0: success.
  struct Failure {
    const char* what = "";
    std::int64_t error = 0;
    bool sync = false;  // a sync failed

    // True: the disk or the directory needs an operator. False: a temporary lack of room, memory or
    // descriptors.
    bool alarming() const;
  };

  StagedFile(Files& files, const Directory& directory);
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  ~StagedFile();

  // Builds the JSON straight into `buffer`, which goes to the file whenever it is full. `mail` has
  // the time when it was first stored.
  bool write(const std::string& copy_id, mail_json::StoredMail mail, mail_json::Content& content,
             bool extra, char* buffer, std::size_t buffer_size);
  bool flush();
  // It was flushed with others, in vain.
  void flush_failed(std::int64_t error) { fail("cannot sync the file system", error, true); }
  // Gives the file its name. An older copy under it is replaced.
  bool publish();
  // After a failed sync of the directory: removes the name, unless it replaced an older copy,
  // because that copy may be the only one of an acknowledged message.
  void retract(std::int64_t error);

  const Failure& failure() const { return failure_; }
  std::uint64_t size() const { return size_; }
  // Bytes of the older copy that publish() replaced; unset: there was none.
  std::optional<std::uint64_t> replaced_size() const { return replaced_size_; }
  const std::string& name() const { return name_; }

 private:
  bool fail(const char* what, std::int64_t error, bool sync = false);
  void drop_temporary();
  bool open();
  std::int64_t first_time_of_older();
  bool write_all(const char* data, std::size_t size);
  bool replace();
  void look_at_older();

  Files& files_;
  const Directory& directory_;
  File file_;
  std::string name_;       // in the spool
  std::string temporary_;  // in tmp/, where it has a name there
  std::uint64_t size_ = 0;
  bool replaced_ = false;
  std::optional<std::uint64_t> replaced_size_;
  bool published_ = false;
  Failure failure_;
};

}  // namespace lsmtpd::json_spool
