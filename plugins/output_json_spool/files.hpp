// SPDX-License-Identifier: Apache-2.0
// The file operations of the spool, one virtual function for each, so that tests can make any of
// them fail. All return 0 or more, or an errno as a negative number; none follows a symbolic link.
// Any thread; all may block on the disk, so none is called on a loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace lsmtpd::json_spool {

struct FileInfo {
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  // last change of the content, since the epoch
  std::int64_t named_ns = 0;    // last change of its names, or of anything else in it
  bool regular = false;
  bool marked = false;  // by mark()
};

struct FreeSpace {
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  bool counts_inodes = false;  // some file systems have no limit
};

// The names in a directory, in no order, read in steps.
class Listing {
 public:
  virtual ~Listing() = default;
  // False: there are no more.
  virtual bool next(std::string& name) = 0;
};

class Files {
 public:
  virtual ~Files() = default;

  virtual std::int64_t now_ns() = 0;  // since the epoch, as FileInfo
  // The time that the kernel gives to a file that is changed now: some milliseconds behind
  // now_ns().
  virtual std::int64_t stamp_ns() = 0;

  // Descriptors of the caller. Directories are opened once and never through a link.
  virtual int open_directory(const std::string& path) = 0;
  virtual int open_directory_in(int directory, const char* name) = 0;
  virtual int make_directory(const std::string& path) = 0;  // 0700
  virtual int make_directory_in(int directory, const char* name) = 0;
  virtual int open_unnamed(int directory) = 0;                      // O_TMPFILE, 0600
  virtual int open_new(int directory, const char* name) = 0;        // must not exist, 0600
  virtual int open_existing(int directory, const char* name) = 0;   // for reading
  virtual int open_to_change(int directory, const char* name) = 0;  // for reading and writing
  virtual int close(int fd) = 0;  // on an error too the descriptor is closed

  virtual std::int64_t write(int fd, const char* data, std::size_t size) = 0;
  virtual std::int64_t write_at(int fd, std::uint64_t offset, const char* data,
                                std::size_t size) = 0;
  virtual std::int64_t read_at(int fd, std::uint64_t offset, char* data, std::size_t size) = 0;
  // Marks a file, so that a listing need not open it: its owner may execute it, mode 0700. Only a
  // hint: it is not synced.
  virtual int mark(int fd) = 0;
  virtual int set_time(int fd, std::int64_t changed_ns) = 0;  // FileInfo::changed_ns
  // Gives a file to the owner of `directory`, where this process may (root).
  virtual int give_to_owner(int fd, int directory) = 0;
  virtual int start_writeback(int fd) = 0;  // asks the kernel to begin; does not wait
  virtual int sync_data(int fd) = 0;        // fdatasync
  // Everything that was written to the file system of `directory`, by others too (syncfs). An error
  // may be that of any file.
  virtual int sync_all(int directory) = 0;
  virtual int sync_directory(int directory) = 0;

  // Gives an unnamed file its name. -EEXIST: there is such a file.
  virtual int link_unnamed(int fd, int directory, const char* name) = 0;
  virtual int rename(int from, const char* old_name, int to, const char* new_name) = 0;
  // As rename, but -EEXIST where the new name is taken.
  virtual int rename_new(int from, const char* old_name, int to, const char* new_name) = 0;
  // A second name of the same file. -EEXIST: the new name is taken; -EXDEV: another file system.
  virtual int link(int from, const char* old_name, int to, const char* new_name) = 0;
  virtual int unlink(int directory, const char* name) = 0;

  virtual int info(int fd, FileInfo& info) = 0;
  virtual int info_in(int directory, const char* name, FileInfo& info) = 0;
  // 0: `path` leads to the open `directory` (the same device and inode); -ESTALE: to another one.
  virtual int leads_to(const std::string& path, int directory) = 0;
  virtual int free_space(int directory, FreeSpace& space) = 0;
  // Null: it cannot be read.
  virtual std::unique_ptr<Listing> list(int directory) = 0;

  // sync_directory() with a check of its result: XFS that was shut down after an error of its log
  // returns success from an fsync of a directory, and EIO from every read of it.
  int make_names_durable(int directory);
};

// The operations of the kernel.
std::unique_ptr<Files> make_files();

// Owns a descriptor of a Files.
class File {
 public:
  File() = default;
  File(Files& files, int fd) : files_(&files), fd_(fd) {}
  File(File&& other) noexcept : files_(other.files_), fd_(other.fd_) { other.fd_ = -1; }
  File& operator=(File&& other) noexcept {
    if (this != &other) {
      close();
      files_ = other.files_;
      fd_ = other.fd_;
      other.fd_ = -1;
    }
    return *this;
  }
  ~File() { close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // The result matters for a file that was written: some file systems report an error only here.
  int close() {
    const int result = fd_ >= 0 ? files_->close(fd_) : 0;
    fd_ = -1;
    return result;
  }

 private:
  Files* files_ = nullptr;
  int fd_ = -1;
};

// "No space left on device" for -ENOSPC.
std::string error_text(std::int64_t error);

}  // namespace lsmtpd::json_spool
