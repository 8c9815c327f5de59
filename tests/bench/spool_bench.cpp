// SPDX-License-Identifier: Apache-2.0
// A bare loop of the file calls that the spool makes, and its JSON beside memcpy.
// The files go into a folder of their own below LSMTPD_BENCH_DIRECTORY (default: the working
// directory), on the file system that is to be measured, beside LSMTPD_BENCH_FILES others.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mail_json/mail_reader.hpp>
#include <mail_json/writer.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
namespace json = lsmtpd::mail_json;

constexpr std::int64_t kMessages = 4096;  // in one iteration
constexpr std::size_t kBuffer = 256 * 1024;

std::string mail_text(std::size_t size) {
  static const std::string kLine =
      "A line of \"ordinary\" mail, as long as most programs make them, and a bit more.\r\n";
  std::string text = "From: a@example.org\r\nTo: b@example.org\r\nSubject: benchmark\r\n\r\n";
  while (text.size() < size) text += kLine;
  text.resize(size);
  return text;
}

const std::string& small_mail() {
  static const std::string text = mail_text(4096);
  return text;
}

json::StoredMail envelope() {
  json::StoredMail mail;
  mail.id = "f6f326ce-2fca-4246-96ba-aab732d44ad0";
  mail.sender = "s@example.org";
  mail.recipients = {{"r@example.org", ""}};
  mail.helo = "client.example.org";
  mail.peer_address = "192.0.2.1";
  mail.peer_port = 40000;
  mail.protocol = "ESMTP";
  mail.listener = "mx";
  return mail;
}

// A folder that is empty again after each iteration.
class Folder {
 public:
  Folder() {
    const char* where = std::getenv("LSMTPD_BENCH_DIRECTORY");
    std::string name = std::string(where != nullptr ? where : ".") + "/spool-bench-XXXXXX";
    path_ = ::mkdtemp(name.data());
    const char* others = std::getenv("LSMTPD_BENCH_FILES");
    for (int left = others != nullptr ? std::atoi(others) : 0; left > 0; --left) {
      char other[64];
      std::snprintf(other, sizeof(other), "/%08x-1111-4111-8111-111111111111.other",
                    static_cast<unsigned>(left) * 2654435761U);
      const int fd = ::open((path_ + other).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
      if (fd < 0) std::abort();
      ::close(fd);
    }
  }
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  void empty() {
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (entry.path().extension() == ".json") fs::remove(entry.path());
    }
  }

 private:
  std::string path_;
};

// The limit: the same files by the same calls, in groups, several threads with a group each.
void bare_group(int directory, std::int64_t first, std::int64_t count, const std::string& body) {
  std::vector<int> fds;
  for (std::int64_t i = 0; i < count; ++i) {
    const int fd = ::openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (::write(fd, body.data(), body.size()) < 0) std::abort();
    if (count > 1) ::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    fds.push_back(fd);
  }
  for (const int fd : fds) {
    if (::fdatasync(fd) != 0) std::abort();
  }
  for (const int fd : fds) {
    char name[64];
    std::snprintf(name, sizeof(name), "%08x-0000-4000-8000-000000000000.json",
                  static_cast<unsigned>(first++) * 2654435761U);
    if (::linkat(fd, "", directory, name, AT_EMPTY_PATH) != 0) std::abort();
  }
  if (::fsync(directory) != 0) std::abort();
  for (const int fd : fds) ::close(fd);
}

void BM_BareLoop(benchmark::State& state) {
  Folder folder;
  const int directory = ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::int64_t group = state.range(0);
  const std::int64_t messages = group == 1 ? kMessages / 8 : kMessages;
  const std::string body(small_mail().size() + 700, 'x');
  for (auto _ : state) {
    std::atomic<std::int64_t> next{0};
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < state.range(1); ++i) {
      threads.emplace_back([&] {
        for (std::int64_t at = next.fetch_add(group); at < messages; at = next.fetch_add(group)) {
          bare_group(directory, at, group, body);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    state.PauseTiming();
    folder.empty();
    state.ResumeTiming();
  }
  ::close(directory);
  state.SetItemsProcessed(state.iterations() * messages);
}
BENCHMARK(BM_BareLoop)
    ->ArgNames({"group", "threads"})
    ->ArgsProduct({{1, 16, 32, 128}, {1, 2, 4}})
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Iterations(3);

void BM_WriteJson(benchmark::State& state) {
  const std::string text = mail_text(static_cast<std::size_t>(state.range(0)));
  const json::StoredMail mail = envelope();
  const json::EnvelopeView view(mail);
  json::Bookkeeping book;
  book.copy_id = mail.id;
  const auto buffer = std::make_unique<char[]>(kBuffer);
  for (auto _ : state) {
    json::TextContent content(text);
    json::Writer writer(view.get(), {true, &book});
    writer.measure(content);
    while (writer.produce(content, buffer.get(), kBuffer) > 0) {
      benchmark::ClobberMemory();
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_WriteJson)->Arg(100)->Arg(4096)->Arg(10 * 1024 * 1024);

void BM_MeasureJson(benchmark::State& state) {
  const std::string text = mail_text(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    json::Measure measure;
    measure.add(text);
    measure.finish();
    benchmark::DoNotOptimize(measure.escaped());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_MeasureJson)->Arg(4096)->Arg(10 * 1024 * 1024);

void BM_Memcpy(benchmark::State& state) {
  const std::string text = mail_text(static_cast<std::size_t>(state.range(0)));
  std::string out(text.size(), '\0');
  for (auto _ : state) {
    std::memcpy(out.data(), text.data(), text.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Memcpy)->Arg(4096)->Arg(10 * 1024 * 1024);

class MemoryInput : public json::Input {
 public:
  explicit MemoryInput(const std::string& text) : text_(text) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    return static_cast<std::int64_t>(text_.copy(buffer, size, static_cast<std::size_t>(offset)));
  }

 private:
  const std::string& text_;
};

void BM_ReadJson(benchmark::State& state) {
  const std::string text = mail_text(static_cast<std::size_t>(state.range(0)));
  const json::StoredMail mail = envelope();
  const json::EnvelopeView view(mail);
  json::TextContent content(text);
  json::Writer writer(view.get(), {true, nullptr});
  writer.measure(content);
  std::string file(static_cast<std::size_t>(writer.size()) + json::Writer::kRoom, '\0');
  file.resize(static_cast<std::size_t>(writer.produce(content, file.data(), file.size())));
  for (auto _ : state) {
    MemoryInput input(file);
    json::Reader reader(input);
    if (!reader.open()) std::abort();
    std::uint64_t size = 0;
    (void)reader.content([&](std::string_view piece) {
      size += piece.size();
      return true;
    });
    if (size != text.size()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ReadJson)->Arg(4096)->Arg(10 * 1024 * 1024);

}  // namespace
