// SPDX-License-Identifier: Apache-2.0
#include "table_set.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace lsmtpd::access {

size_t TableSet::add(const std::string& path) {
  for (size_t i = 0; i < files_.size(); ++i)
    if (files_[i].path == path) return i;
  files_.push_back({path, {}, {}});
  return files_.size() - 1;
}

void TableSet::put(size_t index, std::shared_ptr<const Table> table) {
  std::shared_ptr<const Tables> old;  // unmapped outside the lock
  const std::lock_guard<std::mutex> lock(mutex_);
  auto next = std::make_shared<Tables>(*current_);
  next->resize(files_.size());
  (*next)[index] = std::move(table);
  old = std::exchange(current_, std::move(next));
}

std::shared_ptr<const Tables> TableSet::current() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return current_;
}

std::string TableSet::load(size_t index) {
  File& file = files_[index];
  std::string error;
  auto table = Table::load(file.path, reserve_, file.state, error);
  if (table) put(index, std::move(table));
  return error;
}

std::vector<TableSet::Change> TableSet::refresh() {
  std::vector<Change> changes;
  for (size_t i = 0; i < files_.size(); ++i) {
    File& file = files_[i];
    struct stat status {};
    FileState state;
    std::string error;
    std::shared_ptr<const Table> table;
    if (stat(file.path.c_str(), &status) != 0) {
      error = std::strerror(errno);
    } else {
      state = state_of(status);
      if (state == file.state) continue;
      table = Table::load(file.path, reserve_, state, error);
    }
    const bool told = state == file.state && error == file.error;
    file.state = state;
    file.error = error;
    if (table) put(i, table);
    if (!told) changes.push_back({file.path, error, std::move(table)});
  }
  return changes;
}

}  // namespace lsmtpd::access
