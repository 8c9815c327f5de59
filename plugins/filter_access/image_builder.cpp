// SPDX-License-Identifier: Apache-2.0
#include "image_builder.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

namespace lsmtpd::access {
namespace {

constexpr uint16_t kNone = UINT16_MAX;
constexpr size_t kMostValues = 65000;
constexpr size_t kLongestKey = 1000;  // an address of SMTP has at most 256 octets

bool equal(uint32_t a, uint32_t b) {
  return a == b;
}
bool equal(const Ip6& a, const Ip6& b) {
  return a.high == b.high && a.low == b.low;
}
bool is_last(uint32_t number) {
  return number == UINT32_MAX;
}
bool is_last(const Ip6& number) {
  return number.high == UINT64_MAX && number.low == UINT64_MAX;
}
uint32_t next(uint32_t number) {
  return number + 1;
}
Ip6 next(const Ip6& number) {
  return {number.high + (number.low == UINT64_MAX ? 1 : 0), number.low + 1};
}

uint32_t last_of(uint32_t first, unsigned prefix) {
  return prefix >= 32 ? first : first | (UINT32_MAX >> prefix);
}
Ip6 last_of(const Ip6& first, unsigned prefix) {
  Ip6 out = first;
  if (prefix < 64) out.high |= UINT64_MAX >> prefix;
  if (prefix <= 64)
    out.low = UINT64_MAX;
  else if (prefix < 128)
    out.low |= UINT64_MAX >> (prefix - 64);
  return out;
}

template <class T>
void append(std::string& out, const T* data, size_t count) {
  if (count != 0) out.append(reinterpret_cast<const char*>(data), count * sizeof(T));
}
void pad(std::string& out) {
  out.resize((out.size() + 7) / 8 * 8);
}

HashKey random_key() {
  std::random_device random;
  const auto word = [&] { return uint64_t{random()} << 32 | random(); };
  return {word(), word()};
}

}  // namespace

std::string ImageBuilder::add(const Pattern& pattern, std::string_view value) {
  auto number = numbers_.find(value);
  if (number == numbers_.end()) {
    if (values_.size() >= kMostValues)
      return "more than " + std::to_string(kMostValues) + " different verdicts";
    number = numbers_.emplace(value, static_cast<uint16_t>(values_.size())).first;
    values_.emplace_back(value);
  }
  if (pattern.kind == Pattern::Kind::network) {
    const auto& [address, prefix] = pattern.network;
    if (address.v6) {
      const Ip6 first = number_v6(address);
      v6_.push_back({first, last_of(first, prefix), number->second});
    } else {
      const uint32_t first = number_v4(address);
      v4_.push_back({first, last_of(first, prefix), number->second});
    }
    return {};
  }
  if (pattern.key.size() > kLongestKey)
    return "longer than " + std::to_string(kLongestKey) + " octets";
  const auto size = static_cast<uint16_t>(pattern.key.size());
  append(keys_, &size, 1);
  append(keys_, &number->second, 1);
  keys_ += pattern.key;
  ++key_count_;
  ++(pattern.kind == Pattern::Kind::address ? addresses_ : names_);
  labels_ = std::max(labels_, pattern.labels);
  return {};
}

// Networks lie within one another or apart. The ranges that come of them: inside a network the
// smallest one around an address counts.
template <class Number>
ImageBuilder::Flat<Number> ImageBuilder::flatten(std::vector<Range<Number>>& ranges) {
  std::stable_sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
    return equal(a.first, b.first) ? b.last < a.last : a.first < b.first;
  });
  Flat<Number> flat;
  const auto begin = [&](Number start, uint16_t value) {
    if (!flat.starts.empty() && equal(flat.starts.back(), start))
      flat.values.back() = value;
    else if (flat.values.empty() ? value != kNone : flat.values.back() != value) {
      flat.starts.push_back(start);
      flat.values.push_back(value);
    }
  };
  std::vector<Range<Number>> around;
  const auto end_innermost = [&] {
    const Number last = around.back().last;
    around.pop_back();
    if (!is_last(last)) begin(next(last), around.empty() ? kNone : around.back().value);
  };
  for (const Range<Number>& range : ranges) {
    while (!around.empty() && around.back().last < range.first) end_innermost();
    if (!around.empty() && equal(around.back().first, range.first) &&
        equal(around.back().last, range.last)) {
      ++doubles_;
      continue;
    }
    around.push_back(range);
    begin(range.first, range.value);
  }
  while (!around.empty()) end_innermost();
  return flat;
}

std::vector<ImageSlot> ImageBuilder::hash_keys(HashKey key) {
  size_t count = key_count_ == 0 ? 0 : 4;
  while (count * 3 / 4 < key_count_) count *= 2;
  std::vector<ImageSlot> slots(count);
  const std::string_view keys = keys_;
  for (size_t place = 0; place < keys.size();) {
    uint16_t size = 0;
    std::memcpy(&size, keys.data() + place, sizeof size);
    const std::string_view text = keys.substr(place + kKeyHead, size);
    const uint64_t hash = siphash(key, text);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    size_t at = hash & (count - 1);
    bool known = false;
    for (; slots[at].place != 0 && !known; at = (at + 1) & (count - 1)) {
      if (slots[at].tag != tag) continue;
      uint16_t other = 0;
      std::memcpy(&other, keys.data() + slots[at].place - 1, sizeof other);
      known = keys.substr(slots[at].place - 1 + kKeyHead, other) == text;
    }
    if (known)
      ++doubles_;
    else
      slots[at] = {tag, static_cast<uint32_t>(place + 1)};
    place += kKeyHead + size;
  }
  return slots;
}

std::string ImageBuilder::finish(std::string& error) {
  if (keys_.size() >= std::numeric_limits<uint32_t>::max()) {
    error = "the names and addresses take more than 4 GiB";
    return {};
  }
  ImageHeader h{};
  std::memcpy(h.magic, kImageMagic.data(), sizeof h.magic);
  h.version = kImageVersion;
  h.order = kImageOrder;
  h.key = random_key();
  h.networks = networks();
  h.addresses = addresses_;
  h.names = names_;
  h.labels = labels_;
  std::string out(sizeof h, '\0');
  const auto ranges = [&](const auto& flat, uint64_t& at, uint64_t& count) {
    at = out.size();
    count = flat.starts.size();
    append(out, flat.starts.data(), flat.starts.size());
    append(out, flat.values.data(), flat.values.size());
    pad(out);
  };
  ranges(flatten(v4_), h.v4_at, h.v4_count);
  ranges(flatten(v6_), h.v6_at, h.v6_count);
  const std::vector<ImageSlot> slots = hash_keys(h.key);
  h.slots_at = out.size();
  h.slot_count = slots.size();
  append(out, slots.data(), slots.size());
  h.keys_at = out.size();
  h.keys_size = keys_.size();
  out += keys_;
  pad(out);
  h.offsets_at = out.size();
  h.value_count = values_.size();
  uint32_t offset = 0;
  append(out, &offset, 1);
  for (const std::string& value : values_) {
    offset += static_cast<uint32_t>(value.size());
    append(out, &offset, 1);
  }
  pad(out);
  h.values_at = out.size();
  h.values_size = offset;
  for (const std::string& value : values_) out += value;
  pad(out);
  h.size = out.size();
  ImageChecksum checksum(h);
  checksum.add(std::string_view(out).substr(sizeof h));
  h.checksum = checksum.result();
  std::memcpy(out.data(), &h, sizeof h);
  return out;
}

}  // namespace lsmtpd::access
