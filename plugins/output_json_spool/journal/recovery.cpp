// SPDX-License-Identifier: Apache-2.0
#include "journal/recovery.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace lsmtpd::journal {
namespace {

std::uint64_t packed(const Place& place) {
  return std::uint64_t{place.slot} << 32 | place.position;
}

}  // namespace

mail_json::Result<Recovery::Result> Recovery::run() {
  const std::lock_guard lock(state_.mutex);
  if (const auto listed = list(); !listed) return tl::make_unexpected(listed.error());
  std::sort(used_.begin(), used_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return state_.segments.at(a).header.sequence > state_.segments.at(b).header.sequence;
  });
  seals_.assign(state_.segments.slots(), UINT32_MAX);
  bool last = true;
  for (const std::uint32_t slot : used_) last = !scan(slot, last) && last;
  if (!used_.empty()) result_.last_sequence = state_.segments.at(used_.front()).header.sequence;
  remove_orphans();
  return std::move(result_);
}

mail_json::Result<void> Recovery::list() {
  const auto listing = files_.files().list(files_.directory());
  if (!listing) return tl::make_unexpected("cannot read the journal's directory");
  std::string name;
  while (listing->next(name)) {
    if (!read_only_ && is_unfinished(name)) files_.files().unlink(files_.directory(), name.c_str());
    const auto file = parse_file_name(name);
    if (!file) continue;
    if (file->body) {
      bodies_.insert(file->number);
      continue;
    }
    result_.last_number = std::max(result_.last_number, file->number);
    if (auto added = add_segment(file->number); !added) return added;
  }
  return {};
}

mail_json::Result<void> Recovery::add_segment(std::uint64_t number) {
  const File file(files_.files(), files_.open(number));
  if (file.get() == -ENOENT) return {};  // a daemon removed it
  if (!file)
    return tl::make_unexpected("cannot open " + segment_name(number) + ": " +
                               json_spool::error_text(file.get()));
  FileBytes bytes(files_.files(), file.get());
  std::array<char, kBlock> block;
  const std::int64_t got = bytes.read_at(0, block.data(), block.size());
  Segment segment;
  segment.number = number;
  const std::string_view read(block.data(),
                              static_cast<std::size_t>(std::max<std::int64_t>(got, 0)));
  const SegmentKind kind =
      got < 0 ? SegmentKind::damaged : read_segment_header(read, segment.header);
  switch (kind) {
    case SegmentKind::newer:
      return tl::make_unexpected(segment_name(number) +
                                 " was written by a newer lsmtpd: start that one");
    case SegmentKind::blank:
      if (!read_only_) files_.remove(number);
      return {};
    case SegmentKind::damaged:
      result_.damaged_segments.push_back(number);
      return {};
    case SegmentKind::free:
      segment.use = Segment::Use::free;
      state_.segments.add(segment);
      return {};
    case SegmentKind::used:
      segment.use = Segment::Use::full;
      used_.push_back(state_.segments.add(segment));
      return {};
  }
  return {};
}

// True: what was written first in it is whole, so that all older segments were flushed and what was
// torn in them is known as removed.
bool Recovery::scan(std::uint32_t slot, bool last) {
  const std::uint64_t number = state_.segments.at(slot).number;
  const File file(files_.files(), files_.open(number));
  if (!file) {
    set_aside(slot);
    return false;
  }
  FileBytes bytes(files_.files(), file.get());
  Scanner scanner(bytes, state_.segments.at(slot).header, last);
  std::vector<Message> messages;
  const std::uint32_t seal = seal_of(slot);
  while (const auto record = scanner.next()) {
    if (record->header.position >= seal) continue;
    if (record->header.kind == Kind::removals && !record->torn) {
      take_removals(*record, slot);
    } else {
      Message message{record->header, {}, 0, record->torn};
      if (!record->torn) message.key = state_.index.key_of(record->id, record->header.dead);
      if (!record->torn && record->header.apart) message.body = body_of(bytes, record->header);
      messages.push_back(message);
    }
  }
  if (scanner.unreadable()) set_aside(slot);
  take_messages(messages, slot);
  if (!scanner.unreadable()) note_faults(scanner, messages, slot, last);
  const bool torn = std::any_of(messages.begin(), messages.end(),
                                [](const Message& message) { return message.torn; });
  const bool whole = scanner.end() > kFirst && scanner.gaps().empty() && !torn;
  return whole || scanner.durable_end() > kFirst;
}

// Keeps the segment: records that cannot be read now may be mail.
void Recovery::set_aside(std::uint32_t slot) {
  result_.unreadable.push_back(state_.segments.at(slot).number);
  state_.segments.at(slot).use = Segment::Use::set_aside;
}

std::uint64_t Recovery::body_of(mail_json::Input& input, const RecordHeader& header) const {
  char number[8];
  const std::uint64_t at =
      std::uint64_t{header.position} + kRecordHeader + header.id_size + header.meta_size;
  return input.read_at(at, number, sizeof(number)) == sizeof(number) ? get_u64(number) : 0;
}

void Recovery::take_removals(const Scanner::Record& record, std::uint32_t slot) {
  for (std::size_t at = 0; at < record.payload.size(); at += kRemoval) {
    const Removal removal = read_removal(record.payload.data() + at);
    const auto target = state_.segments.find(removal.sequence);
    if (!target) continue;  // that segment is gone
    state_.segments.guard(slot, *target, 1);
    if (removal.from_here) {
      seals_[*target] = std::min(seals_[*target], removal.position);
    } else {
      removed_.insert(packed({*target, removal.position}));
    }
  }
}

void Recovery::take_messages(const std::vector<Message>& messages, std::uint32_t slot) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    const RecordHeader& header = message->header;
    const Place place{slot, header.position};
    if (message->torn || is_removed(place)) continue;
    state_.hold_body(message->body);
    bodies_.erase(message->body);
    if (state_.index.find(message->key) != nullptr) {  // a newer one has this id
      state_.discard(place, message->body);
      continue;
    }
    Copy copy;
    copy.key = message->key;
    copy.time_ns = header.time_ns;
    copy.place = place;
    copy.bytes = static_cast<std::uint32_t>(header.end() - header.position);
    copy.dead = header.dead;
    copy.in_doubt = header.in_doubt;
    copy.apart = header.apart;
    if (copy.apart) copy.body_kib = static_cast<std::uint32_t>((header.content_size + 1023) / 1024);
    state_.put(copy, message->body);
  }
}

// Each is told once: a removal of its place says that it is known.
void Recovery::note_faults(const Scanner& scanner, const std::vector<Message>& messages,
                           std::uint32_t slot, bool last) {
  const auto note = [&](std::uint32_t from, std::uint32_t to) {
    if (from >= seal_of(slot) || is_removed({slot, from})) return;
    const bool acknowledged = !last || from < scanner.durable_end();
    result_.faults.push_back({state_.segments.at(slot).number, from, to, acknowledged});
    state_.discard({slot, from}, 0);
  };
  for (const Scanner::Gap& gap : scanner.gaps()) note(gap.from, gap.to);
  for (const Message& message : messages) {
    if (message.torn)
      note(message.header.position, static_cast<std::uint32_t>(message.header.end()));
  }
}

void Recovery::remove_orphans() {
  if (read_only_ || !result_.unreadable.empty() || !result_.damaged_segments.empty()) return;
  for (const std::uint64_t body : bodies_)
    files_.files().unlink(files_.directory(), body_name(body).c_str());
}

bool Recovery::is_removed(const Place& place) const {
  return removed_.contains(packed(place));
}

std::uint32_t Recovery::seal_of(std::uint32_t slot) const {
  return seals_[slot];
}

}  // namespace lsmtpd::journal
