// SPDX-License-Identifier: Apache-2.0
// A segment of the journal: for any content reading ends, and gives only records that lie in it, in
// their order, each once. The checksums of the input are put right first, since no fuzzer finds
// those: its first byte says which of them.
#include <algorithm>
#include <string>

#include "fuzz_input.hpp"
#include "journal/crc32c.hpp"
#include "journal/scanner.hpp"

namespace {

namespace journal = lsmtpd::journal;

constexpr std::uint64_t kSalt = 0x6f6e652073616c74;

class Bytes : public lsmtpd::mail_json::Input {
 public:
  Bytes(const std::string& text, std::size_t most) : text_(text), most_(most) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (offset >= text_.size()) return 0;
    return static_cast<std::int64_t>(text_.copy(buffer, std::min(size, most_), offset));
  }

 private:
  const std::string& text_;
  const std::size_t most_;
};

void put_u32(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> 8 * i);
}

std::uint32_t get_u32(const std::string& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(journal::get_u64(bytes.data() + at));
}

// Each place that begins like a record gets the salt, its position and its checksums.
void repair(std::string& segment, bool payloads) {
  for (std::size_t at = journal::kFirst; at + journal::kRecordHeader + 8 <= segment.size();
       at += journal::kAlign) {
    if (segment.compare(at, 4, "LJRC") != 0) continue;
    journal::put_u64(segment.data() + at + 8, kSalt);
    put_u32(segment, at + 16, static_cast<std::uint32_t>(at));
    const std::size_t payload = at + journal::kRecordHeader;
    const std::size_t size = get_u32(segment, at + 60);
    if (payloads && size <= segment.size() - payload)
      put_u32(segment, at + 56, journal::crc32c(std::string_view(segment).substr(payload, size)));
    put_u32(segment, at + 4, journal::crc32c(std::string_view(segment).substr(at + 8, 56)));
  }
}

std::string scan(const std::string& segment, std::size_t most, bool check_all) {
  const journal::SegmentHeader header{static_cast<std::uint32_t>(segment.size()), 1, kSalt};
  Bytes input(segment, most);
  journal::Scanner scanner(input, header, check_all);
  std::string found;
  std::uint64_t after = journal::kFirst;
  while (const auto record = scanner.next()) {
    lsmtpd::fuzz::require(record->header.position >= after);
    after = record->header.end();
    lsmtpd::fuzz::require(after <= segment.size() && after == scanner.end());
    if (record->torn) continue;
    lsmtpd::fuzz::require(record->id.size() == record->header.id_size);
    found.append(record->id).append(1, '\n');
  }
  for (const auto& gap : scanner.gaps()) lsmtpd::fuzz::require(gap.from < gap.to);
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned flags = data[0];
  std::string segment(journal::kFirst, '\0');
  segment.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  segment.resize(std::max<std::size_t>(
      journal::kSegmentMin, journal::round_up<std::size_t>(segment.size(), journal::kBlock)));
  if ((flags & 1) != 0) repair(segment, (flags & 2) != 0);
  const std::string all = scan(segment, SIZE_MAX, true);
  // The size of each read makes no difference, and what is whole is found without the check too.
  lsmtpd::fuzz::require(scan(segment, 64 + flags / 4 * 100, true) == all);
  lsmtpd::fuzz::require(scan(segment, SIZE_MAX, false).size() >= all.size());

  journal::SegmentHeader header;
  const std::string_view block(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto kind = journal::read_segment_header(block.substr(0, journal::kBlock), header);
  if (kind == journal::SegmentKind::used) lsmtpd::fuzz::require(header.sequence != 0);
  return 0;
}
