// SPDX-License-Identifier: Apache-2.0
#include "log/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace lsmtpd::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// These tests write messages of their own, as plugins do.
using Fields = std::initializer_list<Field>;
void debug(std::string_view m, Fields f = {}) {
  write(Level::debug, Event::foreign(m), f);
}
void info(std::string_view m, Fields f = {}) {
  write(Level::info, Event::foreign(m), f);
}
void warn(std::string_view m, Fields f = {}) {
  write(Level::warn, Event::foreign(m), f);
}
void error(std::string_view m, Fields f = {}) {
  write(Level::error, Event::foreign(m), f);
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

size_t count_lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

size_t count_accepted(const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(" accepted "); at != std::string::npos;
       at = text.find(" accepted ", at + 1)) {
    ++count;
  }
  return count;
}

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "lsmtpd-log-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/log";
  }
  ~LogTest() override {
    close();
    std::filesystem::remove_all(folder_);
  }
  void open_log(Level level = Level::info, bool json = false) {
    const Status opened = open({level, json, path_});
    ASSERT_TRUE(opened) << opened.error().message;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(LogTest, WritesWhatIsQueuedBeforeItCloses) {
  open_log();
  for (int i = 0; i < 1000; ++i) info("accepted", {{"n", i}});
  close();
  EXPECT_EQ(count_lines(contents(path_)), 1000u);
  EXPECT_THAT(contents(path_), EndsWith(" info accepted n=999\n"));
  EXPECT_EQ(dropped(), 0u);
}

TEST_F(LogTest, KeepsWhatTheFileHeld) {
  std::ofstream(path_) << "before\n";
  open_log();
  info("after");
  close();
  EXPECT_THAT(contents(path_), HasSubstr("before\n"));
  EXPECT_THAT(contents(path_), EndsWith("after\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  open_log(Level::warn);
  EXPECT_FALSE(enabled(Level::info));
  EXPECT_TRUE(enabled(Level::error));
  info("hidden");
  warn("shown");
  close();
  EXPECT_THAT(contents(path_), Not(HasSubstr("hidden")));
  EXPECT_THAT(contents(path_), HasSubstr(" warn shown\n"));
}

TEST_F(LogTest, OffWritesNothing) {
  open_log(Level::off);
  EXPECT_FALSE(enabled(Level::error));
  EXPECT_FALSE(enabled(Level::off));
  error("hidden");
  close();
  EXPECT_EQ(contents(path_), "");
}

TEST_F(LogTest, WritesJsonLines) {
  open_log(Level::info, true);
  error("refused", {{"peer", "a\"b"}});
  close();
  EXPECT_THAT(contents(path_), EndsWith(R"("level":"error","message":"refused","peer":"a\"b"})"
                                        "\n"));
}

TEST_F(LogTest, ReopenGoesOnInANewFileAfterRotation) {
  open_log();
  info("first");
  std::filesystem::rename(path_, path_ + ".1");
  reopen();
  info("second");
  close();
  // Both lines were in the queue's order: what came before the reopen is in the old file.
  EXPECT_THAT(contents(path_ + ".1"), EndsWith(" first\n"));
  EXPECT_THAT(contents(path_), HasSubstr(" info log_reopened\n"));
  EXPECT_THAT(contents(path_), EndsWith(" second\n"));
  EXPECT_EQ(count_lines(contents(path_)), 2u);
}

TEST_F(LogTest, FailedReopenKeepsTheOldFileAndIsReported) {
  open_log();
  std::filesystem::create_directory(folder_ + "/rotated");
  std::filesystem::rename(path_, folder_ + "/rotated/log");
  std::filesystem::create_directory(path_);  // opening it for writing fails, for root too
  reopen();
  info("second");
  close();
  const std::string old = contents(folder_ + "/rotated/log");
  EXPECT_THAT(old, Not(HasSubstr("log_reopened")));
  EXPECT_THAT(old, HasSubstr("log_reopen_failed error=\"cannot open the log file "));
  EXPECT_THAT(old, EndsWith(" second\n"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnError) {
  const Status opened = open({Level::info, false, folder_ + "/missing/log"});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message,
            "cannot open the log file " + folder_ + "/missing/log: No such file or directory");
}

TEST_F(LogTest, AFifoWithoutAReaderIsAnErrorAndNotAWait) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(open({Level::info, false, path_}));
}

// A sink that takes nothing until the test reads it.
class StuckSinkTest : public LogTest {
 protected:
  StuckSinkTest() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    reader_.reset(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  // Reads until the text has `part`, or to its end, for at most 30 s.
  std::string read_until(std::string_view part) {
    std::string text;
    pollfd entry{reader_.get(), POLLIN, 0};
    while (text.find(part) == text.npos && ::poll(&entry, 1, 30000) > 0) {
      char buffer[65536];
      const ssize_t n = ::read(reader_.get(), buffer, sizeof(buffer));
      if (n <= 0) break;
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }

  UniqueFd reader_;
};

uint64_t sum_of_dropped(const std::string& text) {
  constexpr std::string_view mark = "log_overrun dropped=";
  uint64_t sum = 0;
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    sum += std::stoull(text.substr(at + mark.size()));
  }
  return sum;
}

TEST_F(StuckSinkTest, LinesWithoutRoomAreDroppedCountedAndReported) {
  open_log();
  constexpr size_t sent = 40000;
  for (size_t i = 0; i < sent; ++i) info("accepted", {{"n", i}});
  const uint64_t lost = dropped();
  EXPECT_GT(lost, 0u);
  const std::string report = fmt::format(" total={}\n", lost);
  std::string text = read_until(report);
  ASSERT_NE(text.find(report), std::string::npos);
  info("last");
  std::thread rest([&] { text += read_until("(never)"); });  // until close() ends the stream
  close();
  rest.join();
  EXPECT_TRUE(text.ends_with(" info last\n"));
  EXPECT_NE(text.find(" info accepted n=0\n"), std::string::npos);
  EXPECT_EQ(dropped(), lost);
  EXPECT_EQ(count_accepted(text) + lost, sent);
  EXPECT_EQ(sum_of_dropped(text), lost);
}

TEST_F(StuckSinkTest, LinesDroppedTogetherCountEach) {
  open_log();
  constexpr size_t sent = 400000;
  {
    Turns turns;
    for (size_t i = 0; i < sent; ++i) info("accepted", {{"n", i}});
  }
  const uint64_t lost = dropped();
  EXPECT_GT(lost, 1000u);
  std::string text;
  std::thread reader([&] { text = read_until("(never)"); });  // until close() ends the stream
  close();
  reader.join();
  EXPECT_EQ(count_accepted(text) + lost, sent);
}

TEST_F(StuckSinkTest, CloseDoesNotWaitForeverForAReaderThatTakesNothing) {
  open_log();
  constexpr size_t sent = 2000;  // more than a pipe holds, less than the queue
  for (size_t i = 0; i < sent; ++i) info("accepted", {{"padding", std::string(50, 'x')}});
  close();
  const std::string text = read_until("(never)");
  EXPECT_GT(dropped(), 0u);
  EXPECT_EQ(count_lines(text) + dropped(), sent);
}

TEST_F(LogTest, AFullDiskIsCountedAsDropped) {
  path_ = "/dev/full";
  open_log();
  info("one");
  info("two");
  close();
  EXPECT_EQ(dropped(), 2u);
  path_ = folder_ + "/log";
}

// Standard error, read back while one lives.
class StandardError {
 public:
  StandardError() : saved_(::dup(STDERR_FILENO)), file_(::memfd_create("stderr", MFD_CLOEXEC)) {
    ::dup2(file_.get(), STDERR_FILENO);
  }
  ~StandardError() { ::dup2(saved_.get(), STDERR_FILENO); }
  std::string text() const {
    char text[4096];
    const ssize_t size = ::pread(file_.get(), text, sizeof text, 0);
    return {text, static_cast<size_t>(std::max<ssize_t>(0, size))};
  }

 private:
  UniqueFd saved_;
  UniqueFd file_;
};

TEST_F(LogTest, AFullDiskIsReportedOnceOnStandardError) {
  const StandardError output;
  path_ = "/dev/full";
  open_log();
  const std::string said =
      "lsmtpd: cannot write to the log /dev/full: No space left on device; lines are lost until it "
      "can be written to again\n";
  for (uint64_t n = 1; n <= 3; ++n) {
    info("one");
    for (int i = 0; i < 1000 && dropped() < n; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(dropped(), n);
    EXPECT_EQ(output.text(), said);
  }
  close();
  EXPECT_EQ(output.text(), said);
  path_ = folder_ + "/log";
}

// The disk has room for a while, then for half a line, and again after a rotation.
TEST_F(LogTest, LinesThatADiskTookInPartAreCountedOneByOne) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  const rlimit small{10'000, RLIM_INFINITY};
  open_log();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Turns turns;
  uint64_t sent = 0;
  for (int i = 0; i < 100; ++i) info("accepted", {{"n", ++sent}});
  close();
  const size_t before = count_lines(contents(path_));
  const uint64_t lost = dropped();
  open_log();
  for (int i = 0; i < 400; ++i) info("accepted", {{"n", ++sent}});
  close();
  const uint64_t lost_then = dropped();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  EXPECT_EQ(before + lost, 100u);
  EXPECT_GT(lost_then, 0u);
  EXPECT_EQ(count_lines(contents(path_)) + lost + lost_then, sent);
  EXPECT_EQ(contents(path_).size(), 10'000u);
}

TEST_F(LogTest, ATornLineEndsBeforeTheNextAndCountsOnce) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  const rlimit small{100, RLIM_INFINITY};
  open_log();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto logged = [](uint64_t lost) {
    info("accepted", {{"text", std::string(80, 'x')}});
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (dropped() != lost && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(dropped(), lost);
  };
  logged(1);  // torn
  logged(2);  // nothing of it, nor of the newline before it
  logged(3);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  info("accepted", {{"n", 4}});
  close();
  EXPECT_EQ(dropped(), 3u);
  EXPECT_EQ(count_accepted(contents(path_)), 2u)
      << "the torn one and the last: " << contents(path_);
  EXPECT_THAT(contents(path_), HasSubstr("log_overrun dropped=3"));
}

TEST_F(LogTest, ManyThreadsMayLogWhileOthersReopenAndClose) {
  open_log();
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) debug("below", {{"n", i}}), info("accepted", {{"n", i}});
    });
  }
  for (int i = 0; i < 20; ++i) reopen();
  for (std::thread& thread : threads) thread.join();
  close();
  EXPECT_EQ(count_accepted(contents(path_)) + dropped(), 3000u);
}

TEST_F(LogTest, LinesBeforeOpenAndAfterCloseGoToStandardError) {
  testing::internal::CaptureStderr();
  info("early");
  open_log();
  info("inside");
  close();
  info("late");
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_THAT(shown, HasSubstr(" info early\n"));
  EXPECT_THAT(shown, EndsWith(" info late\n"));
  EXPECT_THAT(shown, Not(HasSubstr("inside")));
}

TEST_F(LogTest, WithoutAFileLinesGoToStandardErrorInOrder) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(open({Level::info, false, ""}));
  info("first");
  reopen();
  info("second");
  close();
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_THAT(shown, HasSubstr(" info first\n"));
  EXPECT_THAT(shown, EndsWith(" info second\n"));
}

// A daemon that ends at once does not wait for its loops.
TEST_F(LogTest, CloseWritesWhatWaitsForTheEndOfATurn) {
  open_log();
  std::promise<void> logged, closed;
  std::thread loop([&] {
    Turns turns;
    info("waits");
    logged.set_value();
    closed.get_future().wait();
  });
  logged.get_future().wait();
  close();
  EXPECT_THAT(contents(path_), EndsWith(" info waits\n"));
  closed.set_value();
  loop.join();
}

// Before open() lines go to standard error as soon as they leave their thread.
TEST(TurnsTest, LinesWaitForTheEndOfTheTurnOrForFourKib) {
  const auto shown_of = [](auto&& code) {
    testing::internal::CaptureStderr();
    code();
    return testing::internal::GetCapturedStderr();
  };
  auto turns = std::make_unique<Turns>();
  EXPECT_EQ(shown_of([] { info("one"); }), "");
  EXPECT_EQ(shown_of([] { std::thread([] { info("other"); }).join(); }).substr(24),
            " info other\n");
  const std::string both = shown_of([&] { info("two"), turns->end_turn(); });
  EXPECT_THAT(both, HasSubstr(" info one\n"));
  EXPECT_THAT(both, EndsWith(" info two\n"));
  EXPECT_EQ(shown_of([&] { turns->end_turn(); }), "");
  EXPECT_THAT(count_lines(shown_of([] {
                for (int i = 0; i < 5; ++i) info("long", {{"value", std::string(1000, 'x')}});
              })),
              4u);
  EXPECT_THAT(shown_of([&] { turns.reset(); }), EndsWith("x\n"));
  EXPECT_THAT(shown_of([] { info("at once"); }), EndsWith(" info at once\n"));
}

TEST_F(LogTest, AnErrorDoesNotWaitForTheEndOfTheTurn) {
  open_log();
  const Turns turns;
  info("before");
  error("broken");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (contents(path_).empty() && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_THAT(contents(path_), HasSubstr("before\n"));
  EXPECT_THAT(contents(path_), EndsWith(" error broken\n"));
}

TEST(ParseLevel, KnowsTheSixNames) {
  EXPECT_EQ(parse_level("trace").value(), Level::trace);
  EXPECT_EQ(parse_level("off").value(), Level::off);
  EXPECT_EQ(parse_level("warning").error().message,
            "\"warning\" is not a log level; allowed: trace, debug, info, warn, error, off");
}

}  // namespace
}  // namespace lsmtpd::log
