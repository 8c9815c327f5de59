// SPDX-License-Identifier: Apache-2.0
// Real file operations on a disk whose power can be cut: what was not flushed by then is undone,
// sector by sector as chance will have it, one of them half way. Names that were not synced go or
// come back in the same manner.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "../faulty_files.hpp"

namespace lsmtpd::journal::testing {

class CutFiles : public json_spool::testing::FaultyFiles {
 public:
  using Base = json_spool::testing::FaultyFiles;

  // `graveyard`: a directory on the same file system, for what is unlinked.
  explicit CutFiles(int graveyard) : graveyard_(graveyard) {}
  ~CutFiles() override {
    for (const auto& [inode, fd] : directories_) ::close(fd);
  }

  // The power goes at the nth operation that changes the disk from now on; 0: it stays.
  void cut_at(int nth) { left_ = nth; }
  bool dead() const { return dead_; }
  // For the control: flushes do nothing.
  void never_flush() { flushes_ = false; }

  // The same for directories.
  void never_sync() { syncs_ = false; }

  // The disk as it comes back. No file of it may be in use.
  void restore(std::mt19937& chance) {
    const std::lock_guard lock(mutex_);
    bool torn = false;
    for (auto& [inode, file] : files_) {
      for (const auto& [offset, old] : file.sectors) {
        if (chance() % 2 == 0) continue;
        const std::size_t from = !torn && chance() % 4 == 0 ? chance() % kSector : 0;
        torn = torn || from != 0;
        const ssize_t done = ::pwrite(file.fd, old.data() + from, old.size() - from,
                                      static_cast<off_t>(offset + from));
        EXPECT_EQ(done, static_cast<ssize_t>(old.size() - from));
      }
      ::close(file.fd);
    }
    files_.clear();
    for (const Name& name : made_)
      if (chance() % 2 == 0) ::unlinkat(name.directory, name.name.c_str(), 0);
    for (const Name& name : removed_) {
      if (chance() % 2 == 0) {
        const int error =
            ::linkat(graveyard_, name.buried.c_str(), name.directory, name.name.c_str(), 0);
        EXPECT_TRUE(error == 0 || errno == EEXIST) << errno;  // the name was used again
      }
      ::unlinkat(graveyard_, name.buried.c_str(), 0);
    }
    for (auto name = renamed_.rbegin(); name != renamed_.rend(); ++name)
      if (chance() % 2 == 0)
        ::renameat(name->to, name->new_name.c_str(), name->from, name->old_name.c_str());
    made_.clear();
    renamed_.clear();
    removed_.clear();
    dead_ = false;
    left_ = 0;
  }

  std::int64_t write_at(int fd, std::uint64_t offset, const char* data, std::size_t size) override {
    const std::lock_guard lock(mutex_);
    if (dead_) return -EIO;
    remember(fd, offset, size);
    // It dies half way through this one.
    if (dies()) {
      Base::write_at(fd, offset, data, size);
      return -EIO;
    }
    return Base::write_at(fd, offset, data, size);
  }
  std::int64_t write(int fd, const char* data, std::size_t size) override {
    const std::lock_guard lock(mutex_);
    if (dead_) return -EIO;
    remember(fd, static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_CUR)), size);
    const std::int64_t done = Base::write(fd, data, size);
    return dies() ? -EIO : done;
  }
  int sync_all(int) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    while (flushes_ && !files_.empty()) forget(files_.begin());
    return 0;
  }
  int sync_data(int fd) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    // Of this disk: the real one need not flush.
    if (flushes_) forget(fd);
    return 0;
  }
  int sync_directory(int) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    if (!syncs_) return 0;
    made_.clear();
    for (const Name& name : removed_) ::unlinkat(graveyard_, name.buried.c_str(), 0);
    removed_.clear();
    renamed_.clear();
    return 0;
  }
  int open_new(int directory, const char* name) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    const int fd = Base::open_new(directory, name);
    if (fd >= 0) made_.push_back({kept(directory), name, {}});
    return fd;
  }
  int link_unnamed(int fd, int directory, const char* name) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    const int error = Base::link_unnamed(fd, directory, name);
    if (error >= 0) made_.push_back({kept(directory), name, {}});
    return error;
  }
  int rename(int from, const char* old_name, int to, const char* new_name) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    const int error = Base::rename(from, old_name, to, new_name);
    if (error >= 0) renamed_.push_back({kept(from), old_name, kept(to), new_name});
    return error;
  }
  int unlink(int directory, const char* name) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || dies()) return -EIO;
    const std::string buried = std::to_string(++graves_);
    if (::linkat(directory, name, graveyard_, buried.c_str(), 0) == 0)
      removed_.push_back({kept(directory), name, buried});
    return Base::unlink(directory, name);
  }

 private:
  static constexpr std::size_t kSector = 512;

  struct Unflushed {
    int fd = -1;                                   // of this class
    std::map<std::uint64_t, std::string> sectors;  // what they held
  };
  struct Name {
    int directory;
    std::string name;
    std::string buried;
  };
  struct Renamed {
    int from;
    std::string old_name;
    int to;
    std::string new_name;
  };

  bool dies() {
    const int left = left_.load();
    if (left == 0) return false;
    left_ = left - 1;
    dead_ = left == 1;
    return dead_;
  }
  static ino_t inode(int fd) {
    struct stat status {};
    ::fstat(fd, &status);
    return status.st_ino;
  }
  // A descriptor of the same directory that stays open, and has no part in its lock.
  int kept(int directory) {
    const auto [entry, added] = directories_.try_emplace(inode(directory), -1);
    if (added) entry->second = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return entry->second;
  }
  void remember(int fd, std::uint64_t offset, std::size_t size) {
    Unflushed& file = files_[inode(fd)];
    if (file.fd < 0) {
      const std::string path = "/proc/self/fd/" + std::to_string(fd);
      file.fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    }
    for (std::uint64_t at = offset / kSector * kSector; at < offset + size; at += kSector) {
      if (file.sectors.contains(at)) continue;
      std::string old(kSector, '\0');
      const ssize_t got = ::pread(file.fd, old.data(), old.size(), static_cast<off_t>(at));
      EXPECT_GE(got, 0);
      file.sectors.emplace(at, std::move(old));
    }
  }
  void forget(int fd) {
    const auto found = files_.find(inode(fd));
    if (found != files_.end()) forget(found);
  }
  void forget(std::map<ino_t, Unflushed>::iterator file) {
    ::close(file->second.fd);
    files_.erase(file);
  }

  const int graveyard_;
  std::mutex mutex_;
  std::map<ino_t, Unflushed> files_;
  std::vector<Name> made_, removed_;
  std::vector<Renamed> renamed_;
  std::map<ino_t, int> directories_;
  std::uint64_t graves_ = 0;
  std::atomic<int> left_{0};
  std::atomic<bool> dead_{false};
  bool flushes_ = true;
  bool syncs_ = true;
};

}  // namespace lsmtpd::journal::testing
