// SPDX-License-Identifier: Apache-2.0
// bare_spool's group commit by io_uring: each step of a group is one batch. Without liburing at
// build time it says so and ends the program.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#ifdef LSMTPD_BENCH_URING
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <cstring>
#endif

namespace lsmtpd::bench {

#ifdef LSMTPD_BENCH_URING
class BareUring {
 public:
  explicit BareUring(std::uint64_t entries) {
    if (entries == 0) return;
    // Registered files would save the descriptors' look-up; a spool that hands files on cannot.
    const int error = io_uring_queue_init(static_cast<unsigned>(entries), &ring_, 0);
    if (error != 0) give_up("io_uring_queue_init", -error);
    open_ = true;
  }
  ~BareUring() {
    if (open_) io_uring_queue_exit(&ring_);
  }
  BareUring(const BareUring&) = delete;
  BareUring& operator=(const BareUring&) = delete;

  void commit(int directory, const std::string& body, const std::vector<std::string>& names,
              bool range) {
    const std::size_t count = names.size();
    fds_.assign(count, -1);
    const auto size = static_cast<unsigned>(body.size());
    batch("openat", count, [&](io_uring_sqe* sqe, std::size_t) {
      io_uring_prep_openat(sqe, directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    });
    fds_ = results_;
    batch("write", count, [&](io_uring_sqe* sqe, std::size_t i) {
      io_uring_prep_write(sqe, fds_[i], body.data(), size, 0);
    });
    for (const int written : results_) {
      if (written != static_cast<int>(size)) give_up("short write", 0);
    }
    if (range) {
      batch("sync_file_range", count, [&](io_uring_sqe* sqe, std::size_t i) {
        io_uring_prep_sync_file_range(sqe, fds_[i], 0, 0, SYNC_FILE_RANGE_WRITE);
      });
    }
    batch("fdatasync", count, [&](io_uring_sqe* sqe, std::size_t i) {
      io_uring_prep_fsync(sqe, fds_[i], IORING_FSYNC_DATASYNC);
    });
    batch("linkat", count, [&](io_uring_sqe* sqe, std::size_t i) {
      io_uring_prep_linkat(sqe, fds_[i], "", directory, names[i].c_str(), AT_EMPTY_PATH);
    });
    if (fsync(directory) != 0) give_up("fsync", errno);
    batch("close", count,
          [&](io_uring_sqe* sqe, std::size_t i) { io_uring_prep_close(sqe, fds_[i]); });
  }

 private:
  [[noreturn]] static void give_up(const char* what, int error) {
    std::fprintf(stderr, "bare_spool: %s: %s\n", what, std::strerror(error));
    std::exit(1);
  }

  template <typename Prepare>
  void batch(const char* what, std::size_t count, Prepare prepare) {
    for (std::size_t i = 0; i < count; ++i) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      prepare(sqe, i);
      io_uring_sqe_set_data64(sqe, i);
    }
    io_uring_submit_and_wait(&ring_, static_cast<unsigned>(count));
    results_.assign(count, 0);
    for (std::size_t left = count; left > 0; --left) {
      io_uring_cqe* cqe = nullptr;
      const int error = io_uring_wait_cqe(&ring_, &cqe);
      if (error != 0) give_up("io_uring_wait_cqe", -error);
      if (cqe->res < 0) give_up(what, -cqe->res);
      results_[io_uring_cqe_get_data64(cqe)] = cqe->res;
      io_uring_cqe_seen(&ring_, cqe);
    }
  }

  io_uring ring_{};
  bool open_ = false;
  std::vector<int> fds_, results_;
};
#else
class BareUring {
 public:
  explicit BareUring(std::uint64_t entries) {
    if (entries == 0) return;
    std::fputs("bare_spool: built without liburing\n", stderr);
    std::exit(3);
  }
  void commit(int, const std::string&, const std::vector<std::string>&, bool) {}
};
#endif

}  // namespace lsmtpd::bench
