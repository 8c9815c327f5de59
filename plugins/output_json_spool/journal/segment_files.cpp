// SPDX-License-Identifier: Apache-2.0
#include "journal/segment_files.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <vector>

namespace lsmtpd::journal {
namespace {

constexpr std::string_view kSegment = ".segment";
constexpr std::string_view kBody = ".body";
constexpr std::string_view kUnfinished = ".new";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kPiece = 512 * 1024;

}  // namespace

std::string hex_number(std::uint64_t number) {
  char text[kDigits + 1];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

bool is_unfinished(std::string_view name) {
  return name.ends_with(kUnfinished);
}

std::string segment_name(std::uint64_t number) {
  return hex_number(number).append(kSegment);
}

std::string body_name(std::uint64_t number) {
  return hex_number(number).append(kBody);
}

std::optional<FileName> parse_file_name(std::string_view name) {
  FileName parsed;
  const auto end =
      std::from_chars(name.data(), name.data() + std::min(name.size(), kDigits), parsed.number, 16);
  if (end.ec != std::errc() || end.ptr != name.data() + kDigits) return std::nullopt;
  parsed.body = name.ends_with(kBody);
  if (name != (parsed.body ? body_name(parsed.number) : segment_name(parsed.number))) return {};
  return parsed;
}

std::int64_t write_all(Files& files, int fd, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::int64_t count = files.write_at(fd, offset, bytes.data(), bytes.size());
    if (count <= 0) return count < 0 ? count : -EIO;
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return 0;
}

std::int64_t SegmentFiles::fill(int fd, Disk disk) {
  const std::vector<char> zeros(kPiece, '\0');
  for (std::uint64_t at = kBlock; recycle_ && at < size_; at += kPiece) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size_ - at));
    if (const auto error = write_all(files_, fd, at, {zeros.data(), size}); error < 0) return error;
    if (disk == Disk::busy)
      if (const int error = files_.sync_data(fd); error < 0) return error;
  }
  std::array<char, kBlock> block;
  write_segment_header({size_, 0, 0}, block.data());
  if (const auto error = write_all(files_, fd, 0, {block.data(), block.size()}); error < 0)
    return error;
  return files_.sync_data(fd);
}

std::int64_t SegmentFiles::create(std::uint64_t number, Disk disk) {
  json_spool::FreeSpace space;
  if (const std::uint64_t floor = min_free_; floor > 0) {
    if (const int error = files_.free_space(directory_, space); error < 0) return error;
    if (space.bytes < floor + size_) return -ENOSPC;
  }
  const std::string name = segment_name(number);
  const std::string unfinished = hex_number(number).append(kUnfinished);
  File file(files_, files_.open_new(directory_, unfinished.c_str()));
  if (!file) return file.get();
  std::int64_t error = fill(file.get(), disk);
  if (const int closed = file.close(); error >= 0) error = closed;
  if (error < 0) {
    files_.unlink(directory_, unfinished.c_str());
    return error;
  }
  error = files_.rename(directory_, unfinished.c_str(), directory_, name.c_str());
  if (error >= 0) error = files_.make_names_durable(directory_);
  if (error < 0) {
    files_.unlink(directory_, unfinished.c_str());
    files_.unlink(directory_, name.c_str());
  }
  return error;
}

std::int64_t SegmentFiles::write_header(std::uint64_t number, const SegmentHeader& header) {
  const File file(files_, open_to_write(number));
  if (!file) return file.get();
  std::array<char, kBlock> block;
  write_segment_header(header, block.data());
  const auto error = write_all(files_, file.get(), 0, {block.data(), block.size()});
  return error < 0 ? error : files_.sync_data(file.get());
}

std::int64_t SegmentFiles::remove(std::uint64_t number) {
  return files_.unlink(directory_, segment_name(number).c_str());
}

}  // namespace lsmtpd::journal
