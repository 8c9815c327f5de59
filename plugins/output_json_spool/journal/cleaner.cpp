// SPDX-License-Identifier: Apache-2.0
#include "journal/cleaner.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "journal/scanner.hpp"
#include "journal/waiting.hpp"
#include "threads.hpp"

namespace lsmtpd::journal {
namespace {

constexpr std::size_t kMoveBytes = 1024 * 1024;           // in memory at a time
constexpr std::chrono::milliseconds kAfterFailure{1000};  // then it is tried again

NewCopy moved_copy(const Copy& copy, StoredRecord& record) {
  NewCopy moved;
  moved.id = std::move(record.id);
  moved.meta = std::move(record.meta);
  moved.content_size = record.header.content_size;
  if (record.header.apart) moved.body = Body{record.body, record.header.body_crc};
  moved.time_ns = copy.time_ns;
  moved.dead = copy.dead;
  moved.in_doubt = copy.in_doubt;
  moved.from = copy.place;
  moved.from_key = copy.key;
  return moved;
}

}  // namespace

void Cleaner::start() {
  stopping_ = false;
  woken_ = true;
  thread_ = json_spool::quiet_thread("spool-cleaner", [this] { loop(); });
}

void Cleaner::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Cleaner::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (woken_) return;
    woken_ = true;
  }
  changed_.notify_all();
}

bool Cleaner::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Cleaner::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || woken_; });
      if (stopping_) return;
      woken_ = false;
    }
    if (step()) continue;
    std::unique_lock lock(mutex_);
    woken_ = true;
    changed_.wait_for(lock, kAfterFailure, [this] { return stopping_; });
  }
}

// False: something failed.
bool Cleaner::step() {
  remove_bodies();
  while (!stopping() && free_segment()) continue;
  if (!prepare()) return false;
  while (!stopping()) {
    while (remove_surplus()) continue;
    std::optional<std::uint32_t> slot;
    {
      const std::lock_guard lock(state_.mutex);
      slot = next_to_move();
    }
    if (!slot) break;
    if (!move(*slot)) return false;
    while (free_segment()) continue;
  }
  return true;
}

// Under the state's mutex: the files take more than twice what lives and so many segments.
bool Cleaner::exceeds(std::uint32_t segments) const {
  return state_.segments.bytes() >
         2 * state_.segments.live_bytes() + segments * std::uint64_t{files_.size()};
}

// Under the state's mutex.
std::optional<std::uint32_t> Cleaner::next_to_move() const {
  const bool several = state_.segments.count(Segment::Use::full) >= 3;
  return exceeds(several ? 1 : 2) ? state_.segments.emptiest() : std::nullopt;
}

// False: there is none that can be freed, or it failed, and it stays as it is.
bool Cleaner::free_segment() {
  std::uint32_t slot = 0;
  Segment segment;
  {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.segments.can_be_freed();
    if (!found) return false;
    slot = *found;
    state_.segments.at(slot).busy = true;
    segment = state_.segments.at(slot);
  }
  const bool kept = files_.recycle() && segment.header.size == files_.size();
  // Its records must be gone for good before the removals that keep them dead go.
  const auto error = files_.write_header(segment.number, {segment.header.size, 0, 0});
  if (error >= 0 && !kept) files_.remove(segment.number);
  const std::lock_guard lock(state_.mutex);
  if (error >= 0) {
    state_.segments.freed(slot, kept);
  } else {
    state_.segments.at(slot).use = Segment::Use::set_aside;
  }
  return error >= 0;
}

bool Cleaner::free_all() {
  remove_bodies();
  while (free_segment()) continue;
  const std::lock_guard lock(state_.mutex);
  for (std::uint32_t slot = 0; slot < state_.segments.slots(); ++slot)
    if (state_.segments.at(slot).has_records()) return false;
  return true;
}

bool Cleaner::remove_surplus() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(state_.mutex);
    const auto free = state_.segments.free_one();
    const bool others = state_.segments.count(Segment::Use::free) > 1;
    if (!free || !exceeds(others ? 1 : 2)) return false;
    number = state_.segments.at(*free).number;
    state_.segments.freed(*free, false);
  }
  files_.remove(number);
  return true;
}

// The next segment, once a quarter of the one in use is full: it takes some 100 ms.
bool Cleaner::prepare() {
  bool wanted = false;
  {
    const std::lock_guard lock(state_.mutex);
    wanted = state_.wants_segment && !state_.segments.free_one();
    state_.wants_segment = false;
  }
  if (!wanted) return true;
  Segment segment;
  segment.use = Segment::Use::free;
  segment.number = writer_.next_number();
  segment.header.size = files_.size();
  if (files_.create(segment.number, SegmentFiles::Disk::busy) < 0)
    return true;  // the writer meets the same, and tells
  const std::lock_guard lock(state_.mutex);
  state_.segments.add(segment);
  return true;
}

void Cleaner::remove_bodies() {
  std::vector<std::uint64_t> orphans;
  {
    const std::lock_guard lock(state_.mutex);
    orphans.swap(state_.orphans);
  }
  for (const std::uint64_t body : orphans)
    files_.files().unlink(files_.directory(), body_name(body).c_str());
}

bool Cleaner::move(std::uint32_t slot) {
  return move_copies(slot) && move_guards(slot) && flush();
}

bool Cleaner::move_copies(std::uint32_t slot) {
  std::vector<Copy> copies;
  Segment segment;
  {
    const std::lock_guard lock(state_.mutex);
    segment = state_.segments.at(slot);
    for (std::size_t i = 0; i < state_.index.size(); ++i)
      if (state_.index.at(i).place.slot == slot) copies.push_back(state_.index.at(i));
  }
  std::sort(copies.begin(), copies.end(),
            [](const Copy& a, const Copy& b) { return a.place.position < b.place.position; });
  RecordReader reader(files_);
  for (std::size_t next = 0; next < copies.size() && !stopping();) {
    Answers answers;
    bool failed = false;
    for (std::size_t bytes = 0; next < copies.size() && bytes < kMoveBytes && !failed; ++next) {
      const Copy& copy = copies[next];
      bytes += copy.bytes;
      StoredRecord record;
      const auto found = reader.read(segment.number, segment.header, copy.place.position, record);
      if (found == RecordReader::Found::damaged) {
        failed = !damaged_(segment.number, copy.place.position, copy.place.position + copy.bytes);
        const std::lock_guard lock(state_.mutex);
        const Copy* present = state_.index.find(copy.key);
        if (!failed && present != nullptr && present->place == copy.place) state_.remove(copy.key);
      } else if (found != RecordReader::Found::yes) {
        failed = true;
      } else {
        std::string content = std::move(record.inline_content);
        NewCopy moved = moved_copy(copy, record);
        submit_or_answer(writer_, std::make_unique<Rewrite>(answers, std::move(moved), copy.key,
                                                            std::move(content)));
      }
    }
    if (answers.wait() < 0 || failed) return false;
  }
  return !stopping();
}

// The removals in it that still keep records of other segments dead are written again.
bool Cleaner::move_guards(std::uint32_t slot) {
  Segment segment;
  {
    const std::lock_guard lock(state_.mutex);
    segment = state_.segments.at(slot);
  }
  if (segment.guards.empty()) return true;
  const File file(files_.files(), files_.open(segment.number));
  if (!file) return false;
  FileBytes bytes(files_.files(), file.get());
  Scanner scanner(bytes, segment.header, false);
  std::vector<Removal> removals;
  while (const auto record = scanner.next()) {
    if (record->header.kind != Kind::removals) continue;
    if (record->torn) return false;
    for (std::size_t at = 0; at < record->payload.size(); at += kRemoval)
      removals.push_back(read_removal(record->payload.data() + at));
  }
  if (scanner.unreadable()) return false;
  const std::lock_guard lock(state_.mutex);
  for (const Removal& removal : removals) {
    const auto target = state_.segments.find(removal.sequence);
    if (!target || *target == slot) continue;
    state_.pending.push_back({{*target, removal.position}, removal.sequence, 0, removal.from_here});
  }
  state_.guards_moved.push_back(slot);
  return true;
}

// All that was moved is durable in its new place; then nothing depends on the old one.
bool Cleaner::flush() {
  Answers answers;
  submit_or_answer(writer_, std::make_unique<Note>(answers, true));
  const bool flushed = answers.wait() >= 0;
  const std::lock_guard lock(state_.mutex);
  for (const std::uint32_t slot : state_.guards_moved)
    if (flushed) state_.segments.at(slot).guards.clear();
  state_.guards_moved.clear();
  return flushed;
}

}  // namespace lsmtpd::journal
