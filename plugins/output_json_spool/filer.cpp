// SPDX-License-Identifier: Apache-2.0
#include "filer.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "threads.hpp"

namespace lsmtpd::json_spool {
namespace {

using Clock = FilerQueue::Clock;

constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::size_t kOlder = 4096;      // copies of an earlier run that are queued at a time
constexpr std::chrono::seconds kStop{5};  // for what is left
constexpr std::chrono::seconds kSettle{3};
// Up to so many files are flushed one by one. More are flushed with all that the file system has to
// write: that is one flush. Where other programs write much there it takes long; then the files are
// flushed one by one for a while.
constexpr std::size_t kFewFiles = 2;
constexpr std::chrono::milliseconds kLongSync{500};
constexpr std::chrono::seconds kEach{60};
constexpr std::size_t kFlushes = 16;  // at once: the file system and the disk make few of them

bool before(const journal::Copy& a, const journal::Copy& b) {
  return std::tie(a.time_ns, a.key.first, a.key.second) <
         std::tie(b.time_ns, b.key.first, b.key.second);
}

}  // namespace

Filer::Filer(Files& files, const Directory& directory, journal::Journal& journal,
             Capacity& capacity, const sdk::Host& host, bool extra)
    : files_(files),
      directory_(directory),
      journal_(journal),
      capacity_(capacity),
      host_(host),
      extra_(extra),
      behind_(host.gauge("spool_behind_seconds",
                         "How long the oldest message that has no file yet waits for it; 0: none "
                         "does.")),
      delayed_(host.counter("spool_delayed_total",
                            "Messages that waited before they were stored because files were far "
                            "behind.")),
      pushback_(journal, queue_, [this](std::uint64_t count) { delayed_.add(count); }) {}

void Filer::start() {
  buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  started_ns_ = files_.now_ns();
  add_older();
  thread_ = quiet_thread("spool-filer", [this] { run(); });
}

void Filer::stop() {
  if (!thread_.joinable()) return;
  queue_.stop(Clock::now() + kStop);
  thread_.join();
}

// Copies of an earlier run, in steps: there may be a million, where that run had the other layout.
void Filer::add_older() {
  if (all_older_) return;
  const auto wanted = [&](const journal::Copy& copy) {
    return !copy.dead && copy.time_ns <= started_ns_ && (!older_ || before(*older_, copy));
  };
  std::vector<journal::Key> keys;
  for (const journal::Copy& copy : journal_.copies().next(before, wanted, kOlder)) {
    keys.push_back(copy.key);
    older_ = copy;
  }
  all_older_ = keys.size() < kOlder;
  if (!keys.empty()) queue_.add_older(keys);
}

void Filer::run() {
  FilerQueue::Batch batch;
  while (queue_.take(batch)) {
    try {
      make(batch);
    } catch (const std::exception& error) {
      host_.error("making files from the journal failed", {{"error", error.what()}});
      for (const FilerQueue::Waiting& one : batch) queue_.failed(one, -ENOMEM, false);
    }
    queue_.finished();
    pushback_.release();
    if (!queue_.has_older()) add_older();
  }
}

void Filer::make(const FilerQueue::Batch& batch) {
  Messages messages;
  write(batch, messages);
  flush(messages);
  publish(messages);
  capacity_.saw_journal(journal_.copies().totals());
  for (const FiledMessage& message : messages) answer(message);
}

void Filer::write(const FilerQueue::Batch& batch, Messages& messages) {
  for (const FilerQueue::Waiting& one : batch) {
    FiledMessage& message = messages.emplace_back(files_, directory_, journal_, one);
    message.write(extra_, buffer_.get(), kBuffer);
  }
}

void Filer::flush(Messages& messages) {
  const auto begun = std::count_if(messages.begin(), messages.end(), [](const auto& message) {
    return message.state() == FiledMessage::State::begun;
  });
  const auto now = Clock::now();
  if (static_cast<std::size_t>(begun) <= kFewFiles || now < each_until_) {
    flush_each(messages);
    return;
  }
  const int error = files_.sync_all(directory_.messages());
  const auto end = Clock::now();
  if (end - now > kLongSync) each_until_ = end + kEach;
  if (error >= 0) return;
  for (FiledMessage& message : messages) message.flush_failed(error);
}

void Filer::flush_each(Messages& messages) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> broken{false};
  const auto work = [&] {
    try {
      for (std::size_t at = next++; at < messages.size(); at = next++) messages[at].flush();
    } catch (const std::exception&) {
      broken = true;
    }
  };
  std::vector<std::thread> others;
  try {
    while (messages.size() > kFewFiles && others.size() + 1 < std::min(kFlushes, messages.size()))
      others.push_back(quiet_thread("spool-flush", work));
  } catch (const std::exception&) {
    // Fewer threads do it, too.
  }
  work();
  for (std::thread& each : others) each.join();
  if (broken) throw std::runtime_error("not all files were flushed");  // so none gets its name
}

// From the first name to the last removal nothing else may change these copies.
void Filer::publish(Messages& messages) {
  std::vector<journal::Key> keys;
  for (const FiledMessage& message : messages)
    if (message.state() == FiledMessage::State::begun) keys.push_back(message.waiting().key);
  if (keys.empty()) return;
  handover_.begin(keys);
  try {
    hand_over(messages, keys);
  } catch (...) {
    handover_.end();
    throw;
  }
  handover_.end();
}

void Filer::hand_over(Messages& messages, const std::vector<journal::Key>& keys) {
  bool any = false;
  std::size_t next = 0;
  for (FiledMessage& message : messages) {
    // Those that are held are not among them, and come again.
    if (next == keys.size() || !(message.waiting().key == keys[next])) continue;
    ++next;
    message.publish();
    any = any || message.state() == FiledMessage::State::published;
  }
  if (!any) return;
  if (const int error = files_.make_names_durable(directory_.messages()); error < 0) {
    for (FiledMessage& message : messages) message.retract(error);
    return;
  }
  for (FiledMessage& message : messages) {
    if (message.state() != FiledMessage::State::published) continue;
    if (!message.remove_from_journal()) queue_.again(message.waiting());
  }
  // Where this fails the files may be made again after a crash.
  journal_.write_removals();
}

void Filer::answer(const FiledMessage& message) {
  switch (message.state()) {
    case FiledMessage::State::begun:
      return queue_.again(message.waiting());
    case FiledMessage::State::gone:
      return;
    case FiledMessage::State::published:
      queue_.succeeded();
      capacity_.stored(message.file().size());
      if (const auto older = message.file().replaced_size()) capacity_.removed(*older);
      return;
    case FiledMessage::State::failed:
      queue_.failed(message.waiting(), message.failure().error, message.failure().error == -EFBIG);
      return alarm(message);
  }
}

void Filer::alarm(const FiledMessage& message) {
  const auto left_out = alarms_.admit();
  if (!left_out) return;
  const StagedFile::Failure& failure = message.failure();
  host_.error("a message has no file yet: it is safe in the journal; make room, or check the disk",
              {{"id", message.id()},
               {"directory", directory_.path()},
               {"what", failure.what},
               {"error", error_text(failure.error)},
               {"left_out", *left_out}});
}

bool Filer::settle(const journal::Key& key) {
  if (refuses() < 0) return !journal_.copies().find(key);
  queue_.hurry();
  return handover_.wait([&] { return !journal_.copies().find(key); }, Clock::now() + kSettle);
}

void Filer::tell_metrics() const {
  behind_.set(std::chrono::duration<double>(queue_.behind()).count());
}

}  // namespace lsmtpd::json_spool
