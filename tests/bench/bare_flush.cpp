// SPDX-License-Identifier: Apache-2.0
// The limit of a journal: writers in a closed loop append to one zero-filled file and wait until
// their bytes are flushed, and nothing else. One flush is under way at a time; all that was
// appended meanwhile shares the next one. Prints one line of JSON; latencies are those of a writer,
// from its append to the end of its flush.
//
//   bare_flush [OPTION...] DIRECTORY     (a file of its own is made there and removed again)
//   --writers N --size OCTETS     that append so many octets each time; one writer flushes without
//   another thread
//   --seconds S --warm-up S       how long is counted, and how long before is not; or
//   --messages N                  appends in all
//   --step                        says ready and waits for a line on stdin before it begins
//   --file OCTETS                 of the file, which is written from its begin again when it is
//   full
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "yardstick.hpp"

namespace lsmtpd::bench {
namespace {

struct Options {
  double writers = 30, size = 4096, seconds = 0, warm_up = 0, messages = 0, file = 64 << 20;
  bool step = false;
  std::string directory;
};

class File {
 public:
  File(const std::string& directory, std::uint64_t size) : size_(size) {
    std::string path = directory + "/bare-flush-XXXXXX";
    fd_ = mkstemp(path.data());
    if (fd_ < 0) fail(path.c_str());
    unlink(path.c_str());
    // Written, not only allocated: a flush of new blocks would commit metadata too.
    const std::string zeros(1 << 20, '\0');
    for (std::uint64_t at = 0; at < size; at += zeros.size()) {
      if (pwrite(fd_, zeros.data(), zeros.size(), static_cast<off_t>(at)) < 0) fail("pwrite");
    }
    if (fsync(fd_) != 0) fail("fsync");
  }
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void append_and_flush(const std::vector<iovec>& pieces) {
    std::uint64_t octets = 0;
    for (const iovec& piece : pieces) octets += piece.iov_len;
    if (position_ + octets > size_) position_ = 0;
    const ssize_t done =
        pwritev(fd_, pieces.data(), static_cast<int>(pieces.size()), static_cast<off_t>(position_));
    if (done != static_cast<ssize_t>(octets)) fail("pwritev");
    if (fdatasync(fd_) != 0) fail("fdatasync");
    position_ += octets;
    appended_ += pieces.size();
    ++flushes_;
  }
  double flushes_an_append() const {
    return static_cast<double>(flushes_) /
           static_cast<double>(std::max<std::uint64_t>(appended_, 1));
  }

 private:
  int fd_ = -1;
  std::uint64_t size_, position_ = 0, appended_ = 0, flushes_ = 0;
};

// Writers and a thread that flushes.
class Groups {
 public:
  explicit Groups(File& file) : file_(file), flusher_([this] { flush(); }) {}
  ~Groups() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    waiting_.notify_one();
    flusher_.join();
  }
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  void append(const iovec& piece) {
    std::unique_lock lock(mutex_);
    const std::shared_ptr<Group> group = open_;
    group->pieces.push_back(piece);
    if (group->pieces.size() == 1) waiting_.notify_one();
    group->flushed.wait(lock, [&] { return group->durable; });
  }

 private:
  struct Group {
    std::vector<iovec> pieces;
    std::condition_variable flushed;
    bool durable = false;
  };

  void flush() {
    std::unique_lock lock(mutex_);
    for (;;) {
      waiting_.wait(lock, [this] { return ended_ || !open_->pieces.empty(); });
      if (open_->pieces.empty()) return;
      const std::shared_ptr<Group> group = std::exchange(open_, std::make_shared<Group>());
      lock.unlock();
      file_.append_and_flush(group->pieces);
      lock.lock();
      group->durable = true;
      group->flushed.notify_all();
    }
  }

  File& file_;
  std::mutex mutex_;
  std::condition_variable waiting_;
  std::shared_ptr<Group> open_ = std::make_shared<Group>();
  bool ended_ = false;
  std::thread flusher_;
};

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), file_(options.directory, static_cast<std::uint64_t>(options.file)) {
    if (options.writers > 1) groups_ = std::make_unique<Groups>(file_);
  }

  void measure() {
    if (options_.step) {
      std::puts("ready");
      std::fflush(stdout);
      if (std::getchar() == EOF) std::exit(1);
    }
    left_ = options_.messages > 0 ? static_cast<std::int64_t>(options_.messages) : INT64_MAX;
    counting_ = options_.warm_up <= 0;
    Clock::time_point start = Clock::now();
    double cpu = cpu_seconds();
    std::vector<std::thread> writers;
    for (int i = 0; i < static_cast<int>(options_.writers); ++i) {
      writers.emplace_back([this] { write(); });
    }
    if (options_.warm_up > 0) {
      sleep_for(options_.warm_up);
      start = Clock::now();
      cpu = cpu_seconds();
      counting_ = true;
    }
    if (options_.messages <= 0) {
      sleep_for(options_.seconds);
      left_ = 0;
    }
    for (std::thread& writer : writers) writer.join();
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
    cpu_ = cpu_seconds() - cpu;
  }

  void print() {
    std::sort(times_.begin(), times_.end());
    const auto messages = static_cast<double>(times_.size());
    std::printf(
        "{\"messages\": %.0f, \"seconds\": %.6f, \"rate\": %.3f, \"cpu_us\": %.3f, "
        "\"reply_p50_ms\": %.4f, \"reply_p99_ms\": %.4f, \"flushes\": %.6f}\n",
        messages, seconds_, messages / seconds_, cpu_ / std::max(messages, 1.0) * 1e6,
        percentile(times_, 0.5), percentile(times_, 0.99), file_.flushes_an_append());
  }

 private:
  static void sleep_for(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }

  void write() {
    std::string body(static_cast<std::size_t>(options_.size), 'x');
    const iovec piece{body.data(), body.size()};
    const std::vector<iovec> alone{piece};
    std::vector<float> times;
    while (left_.fetch_sub(1) > 0) {
      const bool counted = counting_;
      const Clock::time_point begin = Clock::now();
      if (groups_) {
        groups_->append(piece);
      } else {
        file_.append_and_flush(alone);
      }
      if (counted) times.push_back(milliseconds(Clock::now() - begin));
    }
    const std::lock_guard lock(mutex_);
    times_.insert(times_.end(), times.begin(), times.end());
  }

  const Options& options_;
  File file_;
  std::unique_ptr<Groups> groups_;
  std::atomic<std::int64_t> left_{0};
  std::atomic<bool> counting_{false};
  std::mutex mutex_;
  std::vector<float> times_;
  double seconds_ = 0, cpu_ = 0;
};

[[noreturn]] void usage() {
  std::fputs("bare_flush [OPTION...] DIRECTORY: the options stand in bare_flush.cpp\n", stderr);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    double* number = name == "--writers"    ? &options.writers
                     : name == "--size"     ? &options.size
                     : name == "--seconds"  ? &options.seconds
                     : name == "--warm-up"  ? &options.warm_up
                     : name == "--messages" ? &options.messages
                     : name == "--file"     ? &options.file
                                            : nullptr;
    if (number != nullptr) {
      if (++i == argc) usage();
      *number = std::strtod(argv[i], nullptr);
    } else if (name == "--step") {
      options.step = true;
    } else if (name.starts_with("--")) {
      usage();
    } else {
      options.directory = name;
    }
  }
  if (options.directory.empty() || options.size < 1 || options.writers < 1) usage();
  if (options.writers > IOV_MAX || (options.messages <= 0) == (options.seconds <= 0)) usage();
  options.file = std::max(options.file, options.writers * options.size);
  return options;
}

}  // namespace
}  // namespace lsmtpd::bench

int main(int argc, char** argv) {
  const lsmtpd::bench::Options options = lsmtpd::bench::parse(argc, argv);
  lsmtpd::bench::Run run(options);
  run.measure();
  run.print();
}
