// SPDX-License-Identifier: Apache-2.0
// The files that the rules of one instance name, each loaded once, and read again when they change.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "table.hpp"

namespace lsmtpd::access {

// The tables of one moment, by the numbers that TableSet gave out.
using Tables = std::vector<std::shared_ptr<const Table>>;

class TableSet {
 public:
  explicit TableSet(Table::Reserve reserve) : reserve_(std::move(reserve)) {}

  // The number of this file; the same for the same path. Before load().
  size_t add(const std::string& path);

  // Loads file number `index` for the first time. Returns the mistake, or "". [main]
  std::string load(size_t index);

  // The result of looking at one file again.
  struct Change {
    std::string path;
    std::string error;  // empty: the new version counts from now on
    std::shared_ptr<const Table> table;
  };
  // Looks at all files, and reads again those that changed. A file that cannot be used keeps its
  // old version, and is named once for each version. [one thread at a time] Blocks on the disk.
  std::vector<Change> refresh();

  // Lives as long as the result. [any]
  std::shared_ptr<const Tables> current() const;
  size_t size() const { return files_.size(); }
  const std::string& path(size_t index) const { return files_[index].path; }

 private:
  struct File {
    std::string path;
    FileState state;    // of the version that was looked at last
    std::string error;  // of that version
  };
  void put(size_t index, std::shared_ptr<const Table> table);

  Table::Reserve reserve_;
  std::vector<File> files_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Tables> current_ = std::make_shared<const Tables>();
};

}  // namespace lsmtpd::access
