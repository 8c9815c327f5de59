// SPDX-License-Identifier: Apache-2.0
#include "journal/journal.hpp"

#include <algorithm>
#include <cerrno>

#include "journal/waiting.hpp"

namespace lsmtpd::journal {
namespace {

// An append whose answer has no receiver.
class Unwaited : public Append {
 public:
  void answer(std::int64_t) override {}
};

}  // namespace

Journal::Journal(Files& files, int directory, const JournalSettings& settings, Events& events)
    : files_(files, directory, settings.segment_size, settings.recycle),
      copies_(files_, state_),
      events_(events),
      writer_(
          files_, state_, [this] { cleaner_.wake(); },
          [&events](const GroupWriter::Failure& failure) { events.failed(failure); }),
      cleaner_(files_, state_, writer_,
               [this](std::uint64_t number, std::uint32_t from, std::uint32_t to) {
                 return events_.damaged(files_, {number, from, to, true});
               }),
      bodies_(files_, state_, writer_, settings.body_threads,
              [&events](const GroupWriter::Failure& failure) { events.failed(failure); }) {}

mail_json::Result<std::unique_ptr<Journal>> Journal::open(Files& files, int directory,
                                                          const JournalSettings& settings,
                                                          Events& events) {
  std::unique_ptr<Journal> journal(new Journal(files, directory, settings, events));
  if (const auto recovered = journal->recover(); !recovered)
    return tl::make_unexpected(recovered.error());
  journal->cleaner_.start();
  journal->bodies_.start();
  return journal;
}

Journal::~Journal() {
  stop();
}

void Journal::stop() {
  bodies_.stop();
  cleaner_.stop();
  writer_.stop();
}

void Journal::end() {
  stop();
  free_what_is_empty();
}

void Journal::free_what_is_empty() {
  {
    const std::lock_guard lock(state_.mutex);
    if (state_.index.size() > 0 || !state_.pending.empty()) return;
    for (std::uint32_t slot = 0; slot < state_.segments.slots(); ++slot) {
      Segment& segment = state_.segments.at(slot);
      if (segment.use == Segment::Use::set_aside) return;
      if (segment.use == Segment::Use::active) segment.use = Segment::Use::full;
    }
  }
  if (!cleaner_.free_all()) return;
  for (std::uint32_t slot = 0; slot < state_.segments.slots(); ++slot) {
    const Segment segment = state_.segments.at(slot);
    if (segment.use == Segment::Use::free) files_.remove(segment.number);
  }
}

mail_json::Result<void> Journal::recover() {
  auto result = Recovery(files_, state_, false).run();
  if (!result) return tl::make_unexpected(result.error());
  for (const std::uint64_t number : result->damaged_segments) {
    const std::string name = segment_name(number);
    const std::string aside = hex_number(number) + ".damaged";
    files_.files().rename(files_.directory(), name.c_str(), files_.directory(), aside.c_str());
    events_.segment_damaged(aside);
  }
  for (const std::uint64_t number : result->unreadable)
    events_.segment_unreadable(segment_name(number));
  for (const Recovery::Fault& fault : result->faults) {
    if (!fault.acknowledged || events_.damaged(files_, fault)) continue;
    // It could not be put aside: the segment stays.
    const std::lock_guard lock(state_.mutex);
    for (std::uint32_t slot = 0; slot < state_.segments.slots(); ++slot)
      if (state_.segments.at(slot).number == fault.number && state_.segments.at(slot).has_records())
        state_.segments.at(slot).use = Segment::Use::set_aside;
  }
  writer_.start(result->last_number + 1, result->last_sequence);
  return {};
}

bool Journal::submit(std::unique_ptr<MessageAppend>& append) {
  if (append->content_size() > kInlineMax) return bodies_.submit(append);
  std::unique_ptr<Append> next = std::move(append);
  if (writer_.submit(next)) return true;
  append.reset(static_cast<MessageAppend*>(next.release()));
  return false;
}

std::unique_ptr<Append> Journal::take_if(const std::function<bool(const Append&)>& wanted) {
  if (auto taken = bodies_.take_if(wanted)) return taken;
  return writer_.take_if(wanted);
}

bool Journal::remove(const Key& key, std::unique_ptr<Append>& told) {
  {
    const std::lock_guard lock(state_.mutex);
    if (!state_.remove(key)) return false;
  }
  submit_or_answer(writer_, std::move(told));
  return true;
}

std::int64_t Journal::remove_now(const Key& key) {
  Answers answers;
  std::unique_ptr<Append> note = std::make_unique<Note>(answers, false);
  if (!remove(key, note)) return -ENOENT;
  return answers.wait();
}

bool Journal::remove_at(const Key& key, const Place& place) {
  const std::lock_guard lock(state_.mutex);
  const Copy* present = state_.index.find(key);
  return present != nullptr && present->place == place && state_.remove(key);
}

std::int64_t Journal::write_removals() {
  Answers answers;
  submit_or_answer(writer_, std::make_unique<Note>(answers, false));
  return answers.wait();
}

std::int64_t Journal::change(const Copy& copy, const StoredRecord& record, bool dead,
                             std::string meta) {
  NewCopy changed;
  changed.id = record.id;
  changed.meta = std::move(meta);
  changed.content_size = record.header.content_size;
  if (record.header.apart) changed.body = Body{record.body, record.header.body_crc};
  changed.time_ns = copy.time_ns;
  changed.dead = dead;
  changed.in_doubt = false;
  changed.from = copy.place;
  changed.from_key = copy.key;
  const Key key = state_.index.key_of(record.id, dead);
  Answers answers;
  submit_or_answer(writer_, std::make_unique<Rewrite>(answers, std::move(changed), key,
                                                      record.inline_content, -ENOENT));
  if (const std::int64_t error = answers.wait(); error < 0) return error;
  // Its removal in the former state is written, so that a crash does not leave both.
  Answers removal;
  submit_or_answer(writer_, std::make_unique<Note>(removal, false));
  removal.wait();  // where that fails, both stay until the removal is written: none is lost
  return 0;
}

void Journal::quarantine(const Copy& copy) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(state_.mutex);
    number = state_.segments.at(copy.place.slot).number;
  }
  const Recovery::Fault fault{number, copy.place.position, copy.place.position + copy.bytes, true};
  if (!events_.damaged(files_, fault)) return;
  const std::lock_guard lock(state_.mutex);
  const Copy* present = state_.index.find(copy.key);
  if (present != nullptr && present->place == copy.place) state_.remove(copy.key);
}

std::int64_t Journal::flush() {
  Answers answers;
  submit_or_answer(writer_, std::make_unique<Note>(answers, true));
  return answers.wait();
}

void Journal::flush_later() {
  if (writer_.has_unflushed()) submit_or_answer(writer_, std::make_unique<Unwaited>());
}

std::uint64_t Journal::bytes() const {
  const std::lock_guard lock(state_.mutex);
  return state_.segments.bytes();
}

}  // namespace lsmtpd::journal
