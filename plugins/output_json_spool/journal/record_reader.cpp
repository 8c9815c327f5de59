// SPDX-License-Identifier: Apache-2.0
#include "journal/record_reader.hpp"

#include <array>
#include <cerrno>
#include <memory>

#include "journal/crc32c.hpp"

namespace lsmtpd::journal {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// The bytes read, fewer at the end; or an error.
std::int64_t read_all(FileBytes& file, std::uint64_t offset, char* out, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const std::int64_t got = file.read_at(offset + done, out + done, size - done);
    if (got < 0) return file.error();
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<std::int64_t>(done);
}

}  // namespace

RecordReader::Found RecordReader::fail(std::int64_t error) {
  error_ = error;
  return error == -ENOENT ? Found::gone : Found::unreadable;
}

RecordReader::Found RecordReader::read(std::uint64_t number, const SegmentHeader& segment,
                                       std::uint32_t position, StoredRecord& record) {
  const File file(files_.files(), files_.open(number));
  if (!file) return fail(file.get());
  FileBytes bytes(files_.files(), file.get());
  std::array<char, kBlock> block;
  std::int64_t got = read_all(bytes, position, block.data(), kRecordHeader);
  if (got < 0) return fail(got);
  const auto header =
      read_record_header({block.data(), static_cast<std::size_t>(got)}, segment, position);
  if (!header) {
    // Of another use by now, unless the segment says that it is still this one.
    SegmentHeader present;
    got = read_all(bytes, 0, block.data(), block.size());
    if (got < 0) return fail(got);
    const auto kind = read_segment_header({block.data(), static_cast<std::size_t>(got)}, present);
    return kind == SegmentKind::used && present.salt == segment.salt ? Found::damaged : Found::gone;
  }
  record.header = *header;
  std::string payload(header->payload_size, '\0');
  got = read_all(bytes, std::uint64_t{position} + kRecordHeader, payload.data(), payload.size());
  if (got < 0) return fail(got);
  if (static_cast<std::size_t>(got) < payload.size() || crc32c(payload) != header->payload_crc)
    return Found::damaged;
  const std::size_t meta_end = std::size_t{header->id_size} + header->meta_size;
  record.id = payload.substr(0, header->id_size);
  record.meta = payload.substr(header->id_size, header->meta_size);
  record.body = header->apart ? get_u64(payload.data() + meta_end) : 0;
  record.inline_content.clear();
  if (!header->apart) record.inline_content = payload.substr(meta_end);
  return Found::yes;
}

RecordReader::Found RecordReader::content(const StoredRecord& record, const Sink& sink) {
  if (!record.header.apart) {
    if (!record.inline_content.empty()) sink(record.inline_content);
    return Found::yes;
  }
  const File file(files_.files(),
                  files_.files().open_existing(files_.directory(), body_name(record.body).c_str()));
  if (!file) return fail(file.get());
  FileBytes bytes(files_.files(), file.get());
  const auto piece = std::make_unique_for_overwrite<char[]>(kPiece);
  std::uint32_t crc = 0;
  for (std::uint64_t done = 0; done < record.header.content_size;) {
    const std::uint64_t left = record.header.content_size - done;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, left));
    const std::int64_t got = read_all(bytes, done, piece.get(), wanted);
    if (got < 0) return fail(got);
    if (static_cast<std::size_t>(got) < wanted) return Found::damaged;
    crc = crc32c({piece.get(), wanted}, crc);
    done += wanted;
    // The last piece is given once all is known to be whole.
    if (done == record.header.content_size && crc != record.header.body_crc) return Found::damaged;
    if (!sink({piece.get(), wanted})) return Found::yes;
  }
  return Found::yes;
}

}  // namespace lsmtpd::journal
