// SPDX-License-Identifier: Apache-2.0
// The copies of a journal as its readers see them: the daemon, and the command line beside it.
// [any]
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "journal/record_reader.hpp"
#include "journal/state.hpp"

namespace lsmtpd::journal {

class CopyView {
 public:
  using Found = RecordReader::Found;

  CopyView(SegmentFiles& files, State& state) : files_(files), state_(state) {}

  Key key_of(std::string_view id, bool dead) const { return state_.index.key_of(id, dead); }
  std::optional<Copy> find(std::string_view id, bool dead) const { return find(key_of(id, dead)); }
  std::optional<Copy> find(const Key& key) const;

  // The copies that are `wanted` and come first in the order of `before`, at most `most`, sorted.
  using Before = std::function<bool(const Copy&, const Copy&)>;
  std::vector<Copy> next(const Before& before, const std::function<bool(const Copy&)>& wanted,
                         std::size_t most) const;
  Totals totals() const;
  std::int64_t oldest_ns() const;  // of those that wait; 0: there is none

  // All block on the disk. `error` is set where it is unreadable.
  Found read(const Copy& copy, StoredRecord& record, std::int64_t& error) const;
  Found content(const StoredRecord& record, const RecordReader::Sink& sink,
                std::int64_t& error) const;
  // The file of content that is apart; its descriptor may be an error.
  File open_body(const StoredRecord& record) const;
  Files& files() const { return files_.files(); }

 private:
  SegmentFiles& files_;
  State& state_;
};

}  // namespace lsmtpd::journal
