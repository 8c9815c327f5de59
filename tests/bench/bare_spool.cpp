// SPDX-License-Identifier: Apache-2.0
// The physical limit of the spool: the file calls for durable messages, one file each, and nothing
// else. Prints one line of JSON. Each group of messages is committed as one: files written,
// flushed, linked into place, and the directory flushed once.
//
//   bare_spool [OPTION...] DIRECTORY     (a folder of its own is made there and removed again)
//   --messages N --size OCTETS   the messages to write
//   --group N                    messages a group
//   --committers N               threads with a group each
//   --flushers N                 threads a committer spreads its fdatasync calls over
//   --sync each|range|syncfs     fdatasync alone; after sync_file_range on all of the group; or one
//                                syncfs for all (a control: it flushes what others wrote, too)
//   --uring                      each step of a group is one batch of io_uring
//   --others N                   empty files that are in the folder already
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bare_uring.hpp"
#include "yardstick.hpp"

namespace {

using lsmtpd::bench::Clock;
using lsmtpd::bench::cpu_seconds;
using lsmtpd::bench::fail;

struct Options {
  std::uint64_t messages = 20000, size = 4800, group = 32, committers = 1, flushers = 1, others = 0;
  std::string sync = "range", directory;
  bool uring = false;
};

// The order of a real spool: ids that are random.
std::string name_of(std::uint64_t number, const char* end) {
  char name[64];
  std::snprintf(name, sizeof(name), "%08x-%04x-4000-8000-000000000000.%s",
                static_cast<unsigned>(number) * 2654435761U, static_cast<unsigned>(number >> 32),
                end);
  return name;
}

// Calls work(0) to work(count - 1) on so many threads.
void spread(std::uint64_t threads, std::size_t count,
            const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t at = next++; at < count; at = next++) work(at);
  };
  std::vector<std::thread> helpers;
  for (std::uint64_t i = 1; i < threads; ++i) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
}

class Group {
 public:
  Group(const Options& options, int directory, const std::string& body)
      : options_(options), directory_(directory), body_(body) {}

  void commit(std::uint64_t first, std::uint64_t count) {
    fds_.resize(count);
    if (options_.uring) {
      std::vector<std::string> names;
      for (std::uint64_t i = 0; i < count; ++i) names.push_back(name_of(first + i, "json"));
      ring_.commit(directory_, body_, names, options_.sync == "range");
      return;
    }
    for (int& fd : fds_) write_one(fd);
    flush();
    for (std::uint64_t i = 0; i < count; ++i) {
      if (linkat(fds_[i], "", directory_, name_of(first + i, "json").c_str(), AT_EMPTY_PATH) != 0) {
        fail("linkat");
      }
    }
    if (fsync(directory_) != 0) fail("fsync");
    for (const int fd : fds_) close(fd);
  }

 private:
  void write_one(int& fd) {
    fd = openat(directory_, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) fail("openat");
    for (std::size_t at = 0; at < body_.size();) {
      const ssize_t size = write(fd, body_.data() + at, body_.size() - at);
      if (size < 0) fail("write");
      at += static_cast<std::size_t>(size);
    }
    if (options_.sync == "range") sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  }

  void flush() {
    if (options_.sync == "syncfs") {
      if (syncfs(directory_) != 0) fail("syncfs");
      return;
    }
    spread(options_.flushers, fds_.size(), [this](std::size_t at) {
      if (fdatasync(fds_[at]) != 0) fail("fdatasync");
    });
  }

  const Options& options_;
  int directory_;
  const std::string& body_;
  std::vector<int> fds_;
  lsmtpd::bench::BareUring ring_{options_.uring ? options_.group : 0};
};

Options parse(int argc, char** argv) {
  Options options;
  const auto usage = [] {
    std::fputs("bare_spool [OPTION...] DIRECTORY: the options stand in bare_spool.cpp\n", stderr);
    std::exit(2);
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    std::uint64_t* number = name == "--messages"     ? &options.messages
                            : name == "--size"       ? &options.size
                            : name == "--group"      ? &options.group
                            : name == "--committers" ? &options.committers
                            : name == "--flushers"   ? &options.flushers
                            : name == "--others"     ? &options.others
                                                     : nullptr;
    if (name == "--uring") {
      options.uring = true;
    } else if (!name.starts_with("--")) {
      options.directory = name;
    } else if (++i == argc) {
      usage();
    } else if (number != nullptr) {
      *number = std::strtoull(argv[i], nullptr, 10);
    } else if (name == "--sync") {
      options.sync = argv[i];
    } else {
      usage();
    }
  }
  const bool known = options.sync == "each" || options.sync == "range" || options.sync == "syncfs";
  if (options.directory.empty() || options.group == 0 || !known) usage();
  if (options.uring && options.sync == "syncfs") usage();
  return options;
}

void make_others(int directory, std::uint64_t count) {
  for (; count > 0; --count) {
    const int fd = openat(directory, name_of(count, "other").c_str(), O_CREAT | O_WRONLY, 0600);
    if (fd < 0) fail("openat");
    close(fd);
  }
  syncfs(directory);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::string folder = options.directory + "/bare-spool-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) fail("mkdtemp");
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  make_others(directory, options.others);
  const std::string body(options.size, 'x');
  std::atomic<std::uint64_t> next{0};
  const double cpu = cpu_seconds();
  const Clock::time_point start = Clock::now();
  spread(options.committers, options.committers, [&](std::size_t) {
    Group group(options, directory, body);
    for (;;) {
      const std::uint64_t first = next.fetch_add(options.group);
      if (first >= options.messages) break;
      group.commit(first, std::min(options.group, options.messages - first));
    }
  });
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const auto messages = static_cast<double>(options.messages);
  std::printf("{\"messages\": %.0f, \"seconds\": %.6f, \"rate\": %.3f, \"cpu_us\": %.3f}\n",
              messages, seconds, messages / seconds, (cpu_seconds() - cpu) / messages * 1e6);
  close(directory);
  std::filesystem::remove_all(folder);
}
