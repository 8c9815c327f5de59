// SPDX-License-Identifier: Apache-2.0
// A list of networks, domains and addresses as one block of bytes that is only read: made by
// ImageBuilder, kept in memory for a short list, mapped from a file for a long one. A look-up
// allocates nothing.
//
//   ImageHeader
//   v4 starts, v4 values      disjoint ranges in order: a range goes to the start of the next one
//   v6 starts, v6 values
//   slots                     hash table with linear probing: {tag, place of the key + 1}
//   keys                      {size, value, octets}, each at a place that slots name
//   value offsets, values     the verdicts of entries, each once; number 0 is the rule's own
// Each part begins at a multiple of 8. Numbers have the machine's byte order, which `order` shows.
#pragma once

#include <mail_names/ip.hpp>

#include <cstdint>
#include <keyed_hash.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::access {

using common::HashKey;
using common::siphash;
using common::SipHash;

constexpr std::string_view kImageMagic = "lsmtpdAL";
constexpr uint32_t kImageVersion = 1;
constexpr uint32_t kImageOrder = 0x01020304;
constexpr size_t kKeyHead = 4;  // size and value of a key

struct ImageHeader {
  char magic[8];
  uint32_t version, order;
  uint64_t size;      // of the whole image
  uint64_t checksum;  // image_checksum()
  HashKey key;
  uint64_t v4_at, v6_at, slots_at, keys_at, offsets_at, values_at;
  uint64_t v4_count, v6_count, slot_count, keys_size, value_count, values_size;
  uint64_t networks, addresses, names;  // entries of each kind
  uint32_t labels;                      // most labels that a "*.domain" has behind the *
  uint32_t reserved;
};

struct ImageSlot {
  uint32_t tag, place;
};

struct Ip6 {
  uint64_t high, low;
  bool operator<(const Ip6& other) const {
    return high != other.high ? high < other.high : low < other.low;
  }
};
uint32_t number_v4(const mail_names::Ip& ip);
Ip6 number_v6(const mail_names::Ip& ip);

// Takes an image piece by piece; the header is the first piece, and a size that is a multiple of 8
// every piece's.
class ImageChecksum {
 public:
  explicit ImageChecksum(ImageHeader header);
  void add(std::string_view piece) { hash_.add(piece); }
  uint64_t result() { return hash_.result(); }

 private:
  SipHash hash_;
};

// A view: the bytes must outlive it.
class Image {
 public:
  // Checks the header, and that each part lies within `bytes`; not the checksum. Returns the
  // mistake, or "".
  std::string open(std::string_view bytes);

  // The number of the value, or nothing where the list has no such entry.
  std::optional<uint16_t> find(const mail_names::Ip& ip) const;
  std::optional<uint16_t> find(std::string_view key) const;

  std::string_view value(uint16_t number) const;
  const ImageHeader& header() const { return header_; }

 private:
  std::string_view part(uint64_t at, uint64_t size) const { return bytes_.substr(at, size); }
  bool holds(uint64_t at, uint64_t count, uint64_t size) const;
  template <class Number>
  std::optional<uint16_t> find_range(uint64_t at, uint64_t count, Number wanted) const;

  std::string_view bytes_;
  ImageHeader header_{};
};

}  // namespace lsmtpd::access
