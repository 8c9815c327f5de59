// SPDX-License-Identifier: Apache-2.0
// One message on its way to the disk, in steps that a group takes together:
// write() -> flush_begin() -> flush_end() -> publish(), then the directory's own sync, by the
// committer. After any failure nothing is left behind once the object is gone, and it is never
// tried again: a failed fsync is final for its file. Committer threads; not shared.
#pragma once

#include <lsmtpd/sdk/message.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "directory.hpp"
#include "files.hpp"

namespace lsmtpd::json_spool {

class StagedFile {
 public:
  // What failed, and its errno as a negative number; error == 0: nothing did.
  struct Failure {
    const char* what = "";
    std::int64_t error = 0;
    bool sync = false;  // the disk did not keep what it took

    // Not for want of room, memory or descriptors, which pass: somebody should look at the disk or
    // the directory.
    bool alarming() const;
  };

  StagedFile(Files& files, const Directory& directory);
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  ~StagedFile();

  // Builds the JSON straight into `buffer`, which goes to the file whenever it is full.
  bool write(const sdk::Message& message, std::string_view copy_id, std::string_view target,
             bool extra, char* buffer, std::size_t buffer_size);
  void flush_begin();
  bool flush_end();
  // Gives the file its name. An older copy under it is replaced.
  bool publish();
  // The directory could not be synced: takes the name away again, unless it replaced an older copy,
  // which may be all there is of an acknowledged message.
  void retract(std::int64_t error);

  const Failure& failure() const { return failure_; }
  std::uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

 private:
  bool fail(const char* what, std::int64_t error, bool sync = false);
  void drop_temporary();
  bool open();
  bool write_all(const char* data, std::size_t size);
  bool replace();

  Files& files_;
  const Directory& directory_;
  File file_;
  std::string name_;       // in the spool
  std::string temporary_;  // in tmp/, where it has a name there
  std::uint64_t size_ = 0;
  bool replaced_ = false;
  bool published_ = false;
  Failure failure_;
};

}  // namespace lsmtpd::json_spool
