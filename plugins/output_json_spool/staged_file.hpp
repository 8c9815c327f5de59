// SPDX-License-Identifier: Apache-2.0
// Writes one message to the disk, in steps that a group takes together: write() -> flush_begin() ->
// flush_end() -> publish(), then the directory's own sync, by the committer. After any failure the
// destructor removes the file, and the write is never repeated: a failed fsync is final for its
// file. Committer threads; not shared.
#pragma once

#include <lsmtpd/sdk/message.hpp>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bookkeeping.hpp"
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

  // Builds the JSON straight into `buffer`, which goes to the file whenever it is full.
  bool write(const sdk::Message& message, std::string_view copy_id, const Purpose& purpose,
             bool extra, char* buffer, std::size_t buffer_size);
  void flush_begin();
  bool flush_end();
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
