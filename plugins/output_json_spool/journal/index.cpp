// SPDX-License-Identifier: Apache-2.0
#include "journal/index.hpp"

#include "journal/random.hpp"

namespace lsmtpd::journal {

Index::Index()
    : one_{random_number(), random_number()},
      two_{random_number(), random_number()},
      table_(1024, kNone) {}

Key Index::key_of(std::string_view id, bool dead) const {
  const std::uint64_t second = common::siphash(two_, id);
  return {common::siphash(one_, id), dead ? ~second : second};
}

std::size_t Index::cell_of(const Key& key) const {
  std::size_t cell = home(key);
  while (table_[cell] != kNone && !(at(table_[cell]).key == key))
    cell = (cell + 1) & (table_.size() - 1);
  return cell;
}

const Copy* Index::find(const Key& key) const {
  const std::uint32_t number = table_[cell_of(key)];
  return number == kNone ? nullptr : &at(number);
}

void Index::put(const Copy& copy) {
  const std::size_t cell = cell_of(copy.key);
  if (table_[cell] != kNone) {
    this->copy(table_[cell]) = copy;
    return;
  }
  if (size_ == chunks_.size() * kChunk) chunks_.push_back(std::make_unique<Copy[]>(kChunk));
  this->copy(size_) = copy;
  table_[cell] = static_cast<std::uint32_t>(size_);
  ++size_;
  if (size_ * 4 > table_.size() * 3) grow();
}

void Index::grow() {
  table_.assign(table_.size() * 2, kNone);
  for (std::size_t number = 0; number < size_; ++number)
    table_[cell_of(at(number).key)] = static_cast<std::uint32_t>(number);
}

bool Index::erase(const Key& key) {
  const std::size_t cell = cell_of(key);
  const std::uint32_t number = table_[cell];
  if (number == kNone) return false;
  const std::size_t last = size_ - 1;
  if (number != last) {
    table_[cell_of(at(last).key)] = number;
    copy(number) = at(last);
  }
  table_[cell] = kNone;
  close_gap(cell);
  --size_;
  // One chunk more than needed stays, so that a copy that comes and goes costs nothing.
  while (chunks_.size() * kChunk >= size_ + 2 * kChunk) chunks_.pop_back();
  return true;
}

// Moves what follows a free cell back into it, where its search would end there.
void Index::close_gap(std::size_t cell) {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t next = (cell + 1) & mask; table_[next] != kNone; next = (next + 1) & mask) {
    const std::size_t wanted = home(at(table_[next]).key);
    if (((next - wanted) & mask) < ((next - cell) & mask)) continue;
    table_[cell] = table_[next];
    table_[next] = kNone;
    cell = next;
  }
}

}  // namespace lsmtpd::journal
