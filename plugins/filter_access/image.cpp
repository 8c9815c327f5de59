// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <cstring>

namespace lsmtpd::access {
namespace {

template <class T>
T read(std::string_view bytes, uint64_t at) {
  T out;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

// Ranges that belong to no entry have this value.
constexpr uint16_t kNone = UINT16_MAX;

constexpr HashKey kChecksumKey = {0x6c736d7470642e61u, 0x63636573732e6c31u};

}  // namespace

uint32_t number_v4(const mail_names::Ip& ip) {
  return uint32_t{ip.bytes[0]} << 24 | uint32_t{ip.bytes[1]} << 16 | uint32_t{ip.bytes[2]} << 8 |
         ip.bytes[3];
}

Ip6 number_v6(const mail_names::Ip& ip) {
  Ip6 out{};
  for (size_t i = 0; i < 8; ++i) {
    out.high = out.high << 8 | ip.bytes[i];
    out.low = out.low << 8 | ip.bytes[i + 8];
  }
  return out;
}

ImageChecksum::ImageChecksum(ImageHeader header) : hash_(kChecksumKey) {
  header.checksum = 0;
  char bytes[sizeof header];
  std::memcpy(bytes, &header, sizeof header);
  hash_.add({bytes, sizeof bytes});
}

bool Image::holds(uint64_t at, uint64_t count, uint64_t size) const {
  return at >= sizeof(ImageHeader) && at <= bytes_.size() && count <= (bytes_.size() - at) / size;
}

std::string Image::open(std::string_view bytes) {
  bytes_ = bytes;
  if (bytes.size() < sizeof header_) return "it is shorter than its header";
  header_ = read<ImageHeader>(bytes, 0);
  const ImageHeader& h = header_;
  if (std::string_view(h.magic, sizeof h.magic) != kImageMagic) return "it is no mapped list";
  if (h.order != kImageOrder) return "it was made on a machine with another byte order";
  if (h.version != kImageVersion)
    return "it has version " + std::to_string(h.version) + " of the form, and this program reads " +
           std::to_string(kImageVersion) + ": make it again with lsmtpd map";
  if (h.size != bytes.size()) return "it is cut off, or has more than its size";
  const bool whole =
      holds(h.v4_at, h.v4_count, sizeof(uint32_t) + 2) &&
      holds(h.v6_at, h.v6_count, sizeof(Ip6) + 2) &&
      holds(h.slots_at, h.slot_count, sizeof(ImageSlot)) && holds(h.keys_at, h.keys_size, 1) &&
      h.value_count > 0 && h.value_count < kNone &&
      holds(h.offsets_at, h.value_count + 1, sizeof(uint32_t)) &&
      holds(h.values_at, h.values_size, 1) && (h.slot_count & (h.slot_count - 1)) == 0;
  return whole ? "" : "its parts do not lie within it";
}

template <class Number>
std::optional<uint16_t> Image::find_range(uint64_t at, uint64_t count, Number wanted) const {
  uint64_t low = 0, high = count;  // the first range that begins behind `wanted`
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (wanted < read<Number>(bytes_, at + middle * sizeof(Number)))
      high = middle;
    else
      low = middle + 1;
  }
  if (low == 0) return std::nullopt;
  const auto value =
      read<uint16_t>(bytes_, at + count * sizeof(Number) + (low - 1) * sizeof(uint16_t));
  if (value == kNone) return std::nullopt;
  return value;
}

std::optional<uint16_t> Image::find(const mail_names::Ip& ip) const {
  if (ip.v6) return find_range<Ip6>(header_.v6_at, header_.v6_count, number_v6(ip));
  return find_range<uint32_t>(header_.v4_at, header_.v4_count, number_v4(ip));
}

std::optional<uint16_t> Image::find(std::string_view key) const {
  if (header_.slot_count == 0) return std::nullopt;
  const uint64_t hash = siphash(header_.key, key);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const std::string_view keys = part(header_.keys_at, header_.keys_size);
  for (uint64_t i = 0; i < header_.slot_count; ++i) {
    const uint64_t number = (hash + i) & (header_.slot_count - 1);
    const auto slot = read<ImageSlot>(bytes_, header_.slots_at + number * sizeof(ImageSlot));
    if (slot.place == 0) return std::nullopt;
    if (slot.tag != tag) continue;
    const uint64_t place = slot.place - uint64_t{1};
    if (place + kKeyHead > keys.size()) return std::nullopt;
    const auto size = read<uint16_t>(keys, place);
    if (keys.substr(place + kKeyHead, size) == key) return read<uint16_t>(keys, place + 2);
  }
  return std::nullopt;
}

std::string_view Image::value(uint16_t number) const {
  if (number >= header_.value_count) return {};
  const auto begin = read<uint32_t>(bytes_, header_.offsets_at + number * sizeof(uint32_t));
  const auto end = read<uint32_t>(bytes_, header_.offsets_at + (number + 1u) * sizeof(uint32_t));
  if (begin > end || end > header_.values_size) return {};
  return part(header_.values_at + begin, end - begin);
}

}  // namespace lsmtpd::access
