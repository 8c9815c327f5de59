// SPDX-License-Identifier: Apache-2.0
// Real file operations, any of which can be made to fail, and a record of the calls.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "files.hpp"

namespace lsmtpd::json_spool::testing {

// The settings and results of a test. One for each process; reset() by each test.
class Faults {
 public:
  static Faults& get() {
    static Faults faults;
    return faults;
  }

  void reset() {
    const std::lock_guard lock(mutex_);
    plans_.clear();
    counts_.clear();
    calls_.clear();
    hooks_.clear();
    space_.reset();
    now_.reset();
    short_write_ = 0;
  }
  // The nth call of `operation` from now on fails (1 is the next); 0: all of them do.
  void fail(const std::string& operation, int nth, int error) {
    const std::lock_guard lock(mutex_);
    counts_[operation] = 0;
    plans_[operation] = {nth, error};
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    plans_.clear();
  }
  // Runs before the next call of `operation`, once, on its thread.
  void before(const std::string& operation, std::function<void()> hook) {
    const std::lock_guard lock(mutex_);
    hooks_[operation] = std::move(hook);
  }
  // At most so many bytes a write from now on; 0: no limit.
  void short_writes(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    short_write_ = bytes;
  }
  void space(std::optional<FreeSpace> space) {
    const std::lock_guard lock(mutex_);
    space_ = space;
  }
  void now(std::int64_t ns) {
    const std::lock_guard lock(mutex_);
    now_ = ns;
  }

  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  int count(const std::string& operation) {
    const std::lock_guard lock(mutex_);
    return counts_[operation];
  }

  // 0, or the error this call shall end with.
  int next(const char* operation) {
    std::function<void()> hook;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = hooks_.find(operation); found != hooks_.end()) {
        hook = std::move(found->second);
        hooks_.erase(found);
      }
    }
    if (hook) hook();
    const std::lock_guard lock(mutex_);
    calls_.emplace_back(operation);
    return result_of(operation);
  }
  // The same, not recorded among the calls.
  int next_of_few(const char* operation) {
    const std::lock_guard lock(mutex_);
    return result_of(operation);
  }
  int result_of(const char* operation) {  // under the lock
    const int count = ++counts_[operation];
    const auto plan = plans_.find(operation);
    if (plan == plans_.end()) return 0;
    return plan->second.nth == 0 || plan->second.nth == count ? -plan->second.error : 0;
  }
  std::size_t cut(std::size_t size) {
    const std::lock_guard lock(mutex_);
    return short_write_ == 0 ? size : std::min(size, short_write_);
  }
  std::optional<FreeSpace> space() {
    const std::lock_guard lock(mutex_);
    return space_;
  }
  std::optional<std::int64_t> now() {
    const std::lock_guard lock(mutex_);
    return now_;
  }

 private:
  struct Plan {
    int nth;
    int error;
  };
  std::mutex mutex_;
  std::map<std::string, Plan> plans_;
  std::map<std::string, int> counts_;
  std::vector<std::string> calls_;
  std::map<std::string, std::function<void()>> hooks_;
  std::optional<FreeSpace> space_;
  std::optional<std::int64_t> now_;
  std::size_t short_write_ = 0;
};

class FaultyFiles : public Files {
 public:
  std::int64_t now_ns() override { return faults().now().value_or(real_->now_ns()); }
  std::int64_t stamp_ns() override { return faults().now().value_or(real_->stamp_ns()); }

  int open_directory(const std::string& path) override {
    return unless("open_directory", [&] { return real_->open_directory(path); });
  }
  int open_directory_in(int directory, const char* name) override {
    return unless("open_directory_in", [&] { return real_->open_directory_in(directory, name); });
  }
  int make_directory(const std::string& path) override {
    return unless("make_directory", [&] { return real_->make_directory(path); });
  }
  int make_directory_in(int directory, const char* name) override {
    return unless("make_directory_in", [&] { return real_->make_directory_in(directory, name); });
  }
  int open_unnamed(int directory) override {
    return unless("open_unnamed", [&] { return real_->open_unnamed(directory); });
  }
  int open_new(int directory, const char* name) override {
    return unless("open_new", [&] { return real_->open_new(directory, name); });
  }
  int open_existing(int directory, const char* name) override {
    return unless("open_existing", [&] { return real_->open_existing(directory, name); });
  }
  int open_to_change(int directory, const char* name) override {
    return unless("open_to_change", [&] { return real_->open_to_change(directory, name); });
  }
  int close(int fd) override {
    const int closed = real_->close(fd);
    const int error = faults().next_of_few("close");
    return error < 0 ? error : closed;
  }

  std::int64_t write(int fd, const char* data, std::size_t size) override {
    if (const int error = faults().next("write"); error < 0) return error;
    return real_->write(fd, data, faults().cut(size));
  }
  std::int64_t write_at(int fd, std::uint64_t offset, const char* data, std::size_t size) override {
    if (const int error = faults().next("write_at"); error < 0) return error;
    return real_->write_at(fd, offset, data, faults().cut(size));
  }
  std::int64_t read_at(int fd, std::uint64_t offset, char* data, std::size_t size) override {
    if (const int error = faults().next("read_at"); error < 0) return error;
    return real_->read_at(fd, offset, data, size);
  }
  int mark(int fd) override {
    return unless("mark", [&] { return real_->mark(fd); });
  }
  int set_time(int fd, std::int64_t changed_ns) override {
    return unless("set_time", [&] { return real_->set_time(fd, changed_ns); });
  }
  int give_to_owner(int fd, int directory) override {
    return unless("give_to_owner", [&] { return real_->give_to_owner(fd, directory); });
  }
  int start_writeback(int fd) override {
    return unless("start_writeback", [&] { return real_->start_writeback(fd); });
  }
  int sync_data(int fd) override {
    return unless("sync_data", [&] { return real_->sync_data(fd); });
  }
  int sync_all(int directory) override {
    return unless("sync_all", [&] { return real_->sync_all(directory); });
  }
  int sync_directory(int directory) override {
    return unless("sync_directory", [&] { return real_->sync_directory(directory); });
  }
  int link_unnamed(int fd, int directory, const char* name) override {
    return unless("link_unnamed", [&] { return real_->link_unnamed(fd, directory, name); });
  }
  int rename(int from, const char* old_name, int to, const char* new_name) override {
    return unless("rename", [&] { return real_->rename(from, old_name, to, new_name); });
  }
  int rename_new(int from, const char* old_name, int to, const char* new_name) override {
    return unless("rename_new", [&] { return real_->rename_new(from, old_name, to, new_name); });
  }
  int link(int from, const char* old_name, int to, const char* new_name) override {
    return unless("link", [&] { return real_->link(from, old_name, to, new_name); });
  }
  int unlink(int directory, const char* name) override {
    return unless("unlink", [&] { return real_->unlink(directory, name); });
  }
  int info(int fd, FileInfo& info) override {
    return unless("info", [&] { return real_->info(fd, info); });
  }
  int info_in(int directory, const char* name, FileInfo& info) override {
    return unless("info_in", [&] { return real_->info_in(directory, name, info); });
  }
  int leads_to(const std::string& path, int directory) override {
    return unless("leads_to", [&] { return real_->leads_to(path, directory); });
  }
  int free_space(int directory, FreeSpace& space) override {
    if (const int error = faults().next("free_space"); error < 0) return error;
    if (const auto fake = faults().space()) {
      space = *fake;
      return 0;
    }
    return real_->free_space(directory, space);
  }
  std::unique_ptr<Listing> list(int directory) override {
    if (faults().next("list") < 0) return nullptr;
    return real_->list(directory);
  }

 private:
  static Faults& faults() { return Faults::get(); }
  template <class Call>
  static int unless(const char* operation, Call call) {
    const int error = faults().next(operation);
    return error < 0 ? error : call();
  }

  std::unique_ptr<Files> real_ = make_files();
};

}  // namespace lsmtpd::json_spool::testing
