// SPDX-License-Identifier: Apache-2.0
#include "journal/copy_view.hpp"

#include <algorithm>
#include <mutex>

namespace lsmtpd::journal {

std::optional<Copy> CopyView::find(const Key& key) const {
  const std::lock_guard lock(state_.mutex);
  const Copy* copy = state_.index.find(key);
  return copy == nullptr ? std::nullopt : std::optional(*copy);
}

std::vector<Copy> CopyView::next(const Before& before,
                                 const std::function<bool(const Copy&)>& wanted,
                                 std::size_t most) const {
  std::vector<Copy> found;
  const std::lock_guard lock(state_.mutex);
  for (std::size_t i = 0; i < state_.index.size(); ++i) {
    const Copy& copy = state_.index.at(i);
    if (!wanted(copy) || (found.size() == most && !before(copy, found.front()))) continue;
    found.push_back(copy);
    std::push_heap(found.begin(), found.end(), before);
    if (found.size() <= most) continue;
    std::pop_heap(found.begin(), found.end(), before);
    found.pop_back();
  }
  std::sort_heap(found.begin(), found.end(), before);
  return found;
}

Totals CopyView::totals() const {
  const std::lock_guard lock(state_.mutex);
  return state_.totals;
}

std::int64_t CopyView::oldest_ns() const {
  const std::lock_guard lock(state_.mutex);
  std::int64_t oldest = 0;
  for (std::size_t i = 0; i < state_.index.size(); ++i) {
    const Copy& copy = state_.index.at(i);
    if (!copy.dead && (oldest == 0 || copy.time_ns < oldest)) oldest = copy.time_ns;
  }
  return oldest;
}

RecordReader::Found CopyView::read(const Copy& copy, StoredRecord& record,
                                   std::int64_t& error) const {
  std::uint64_t number = 0;
  SegmentHeader segment;
  {
    const std::lock_guard lock(state_.mutex);
    number = state_.segments.at(copy.place.slot).number;
    segment = state_.segments.at(copy.place.slot).header;
  }
  RecordReader reader(files_);
  const auto found = reader.read(number, segment, copy.place.position, record);
  error = reader.error();
  return found;
}

RecordReader::Found CopyView::content(const StoredRecord& record, const RecordReader::Sink& sink,
                                      std::int64_t& error) const {
  RecordReader reader(files_);
  const auto found = reader.content(record, sink);
  error = reader.error();
  return found;
}

File CopyView::open_body(const StoredRecord& record) const {
  return {files_.files(),
          files_.files().open_existing(files_.directory(), body_name(record.body).c_str())};
}

}  // namespace lsmtpd::journal
