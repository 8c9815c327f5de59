// SPDX-License-Identifier: Apache-2.0
#include "files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>

#include "test_hooks.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

int result(int value) {
  return value < 0 ? -errno : value;
}

template <class Call>
auto again(Call call) {
  for (;;) {
    const auto value = call();
    if (value >= 0 || errno != EINTR) return value;
  }
}

FileInfo info_of(const struct stat& status) {
  return {static_cast<std::uint64_t>(status.st_size),
          status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec,
          status.st_ctim.tv_sec * kSecond + status.st_ctim.tv_nsec,
          static_cast<bool>(S_ISREG(status.st_mode)),
          S_ISREG(status.st_mode) && (status.st_mode & S_IXUSR) != 0};
}

class PosixListing : public Listing {
 public:
  explicit PosixListing(DIR* stream) : stream_(stream) {}
  ~PosixListing() override { ::closedir(stream_); }
  bool next(std::string& name) override {
    for (;;) {
      const dirent* entry = ::readdir(stream_);
      if (entry == nullptr) return false;
      name = entry->d_name;
      if (name != "." && name != "..") return true;
    }
  }

 private:
  DIR* stream_;
};

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

class PosixFiles : public Files {
 public:
  std::int64_t now_ns() override { return read_clock(CLOCK_REALTIME); }
  std::int64_t stamp_ns() override { return read_clock(CLOCK_REALTIME_COARSE); }

  int open_directory(const std::string& path) override {
    return result(again([&] { return ::open(path.c_str(), kDirectory); }));
  }
  int open_directory_in(int directory, const char* name) override {
    return result(again([&] { return ::openat(directory, name, kDirectory); }));
  }
  int make_directory(const std::string& path) override {
    return result(::mkdir(path.c_str(), 0700));
  }
  int make_directory_in(int directory, const char* name) override {
    return result(::mkdirat(directory, name, 0700));
  }
  int open_unnamed(int directory) override {
    return result(
        again([&] { return ::openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600); }));
  }
  int open_new(int directory, const char* name) override {
    constexpr int kFlags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    return result(again([&] { return ::openat(directory, name, kFlags, 0600); }));
  }
  int open_existing(int directory, const char* name) override {
    // Not blocking: a FIFO with this name must not block the thread.
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return result(again([&] { return ::openat(directory, name, kFlags); }));
  }
  int open_to_change(int directory, const char* name) override {
    constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return result(again([&] { return ::openat(directory, name, kFlags); }));
  }
  int close(int fd) override { return result(::close(fd)); }

  std::int64_t write(int fd, const char* data, std::size_t size) override {
    const ssize_t count = again([&] { return ::write(fd, data, size); });
    return count < 0 ? -errno : count;
  }
  std::int64_t write_at(int fd, std::uint64_t offset, const char* data, std::size_t size) override {
    const ssize_t count =
        again([&] { return ::pwrite(fd, data, size, static_cast<off_t>(offset)); });
    return count < 0 ? -errno : count;
  }
  std::int64_t read_at(int fd, std::uint64_t offset, char* data, std::size_t size) override {
    const ssize_t count =
        again([&] { return ::pread(fd, data, size, static_cast<off_t>(offset)); });
    return count < 0 ? -errno : count;
  }
  int mark(int fd) override { return result(::fchmod(fd, 0700)); }
  int set_time(int fd, std::int64_t changed_ns) override {
    const timespec when{static_cast<time_t>(changed_ns / kSecond), changed_ns % kSecond};
    const timespec times[] = {when, when};
    return result(::futimens(fd, times));
  }
  int give_to_owner(int fd, int directory) override {
    struct stat owner {};
    struct stat file {};
    if (::fstat(directory, &owner) != 0 || ::fstat(fd, &file) != 0) return -errno;
    if (owner.st_uid == file.st_uid) return 0;
    return result(::fchown(fd, owner.st_uid, owner.st_gid));
  }
  int start_writeback(int fd) override {
    return result(::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
  }
  int sync_data(int fd) override {
    if (test_hook("LSMTPD_TEST_NO_FDATASYNC")) return 0;
    return result(::fdatasync(fd));
  }
  int sync_all(int directory) override {
    if (test_hook("LSMTPD_TEST_NO_FDATASYNC")) return 0;
    return result(::syncfs(directory));
  }
  int sync_directory(int directory) override {
    if (test_hook("LSMTPD_TEST_NO_FSYNC")) return 0;
    return result(::fsync(directory));
  }

  int link_unnamed(int fd, int directory, const char* name) override {
    // By descriptor if the process may (older kernels need a capability), else by its name in
    // /proc.
    if (by_descriptor_.load(std::memory_order_relaxed)) {
      const int error = result(::linkat(fd, "", directory, name, AT_EMPTY_PATH));
      if (error != -ENOENT && error != -EPERM) return error;
      by_descriptor_.store(false, std::memory_order_relaxed);
    }
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return result(::linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW));
  }
  int rename(int from, const char* old_name, int to, const char* new_name) override {
    return result(::renameat(from, old_name, to, new_name));
  }
  int rename_new(int from, const char* old_name, int to, const char* new_name) override {
    return result(::renameat2(from, old_name, to, new_name, RENAME_NOREPLACE));
  }
  int link(int from, const char* old_name, int to, const char* new_name) override {
    return result(::linkat(from, old_name, to, new_name, 0));
  }
  int unlink(int directory, const char* name) override {
    return result(::unlinkat(directory, name, 0));
  }

  int info(int fd, FileInfo& info) override {
    struct stat status {};
    const int error = result(::fstat(fd, &status));
    info = info_of(status);
    return error;
  }
  int info_in(int directory, const char* name, FileInfo& info) override {
    struct stat status {};
    const int error = result(::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW));
    info = info_of(status);
    return error;
  }
  int leads_to(const std::string& path, int directory) override {
    struct stat opened {};
    struct stat found {};
    if (::fstat(directory, &opened) != 0 || ::stat(path.c_str(), &found) != 0) return -errno;
    return opened.st_dev == found.st_dev && opened.st_ino == found.st_ino ? 0 : -ESTALE;
  }
  int free_space(int directory, FreeSpace& space) override {
    struct statvfs status {};
    const int error = result(::fstatvfs(directory, &status));
    space.bytes = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    space.inodes = status.f_favail;
    space.counts_inodes = status.f_files > 0;
    return error;
  }
  std::unique_ptr<Listing> list(int directory) override {
    // A description of its own, so that two listings do not share their place.
    const int fd = again([&] { return ::openat(directory, ".", kDirectory); });
    if (fd < 0) return nullptr;
    DIR* stream = ::fdopendir(fd);
    if (stream == nullptr) {
      ::close(fd);
      return nullptr;
    }
    return std::make_unique<PosixListing>(stream);
  }

 private:
  static constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

  std::atomic<bool> by_descriptor_{true};
};

}  // namespace

int Files::make_names_durable(int directory) {
  const int error = sync_directory(directory);
  FileInfo ignored;
  return error < 0 ? error : info(directory, ignored);
}

std::unique_ptr<Files> make_files() {
  return std::make_unique<PosixFiles>();
}

std::string error_text(std::int64_t error) {
  return std::generic_category().message(static_cast<int>(-error));
}

}  // namespace lsmtpd::json_spool
