// SPDX-License-Identifier: Apache-2.0
#include "spooled_copies.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <vector>

namespace lsmtpd::sink {
namespace {

namespace fs = std::filesystem;

// Of docs/spool-format.md.
constexpr std::string_view kMagic = "LJRC";
constexpr std::size_t kFirst = 4096, kAligned = 8, kHeader = 64;
constexpr std::size_t kCopies[] = {0, 512};  // of the segment's header
constexpr std::size_t kSequence = 16, kKind = 28, kIdSize = 30;
constexpr char kMessage = 1;

std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  return value;
}

bool is_free(const std::string& bytes) {
  for (const std::size_t copy : kCopies)
    if (number(bytes, copy + kSequence, 8) == 0) return true;
  return false;
}

// The key, and the keys that it is a part of.
bool any_of(std::string_view key, const std::function<bool(std::string_view)>& is) {
  for (;;) {
    if (is(key)) return true;
    const std::size_t dot = key.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return false;
    key = key.substr(0, dot);
  }
}

std::vector<std::string> segments_of(const std::string& folder, std::string& error) {
  std::vector<std::string> found;
  std::error_code why;
  for (fs::directory_iterator each(folder + "/journal", why), end; !why && each != end;
       each.increment(why))
    if (each->path().extension() == ".segment") found.push_back(each->path());
  if (why && why != std::errc::no_such_file_or_directory)
    error = folder + "/journal: " + why.message();
  return found;
}

}  // namespace

// The journal before the files, since copies go that way; and once more where some came meanwhile.
bool SpooledCopies::has(std::string_view key, std::string& error) {
  for (int i = 0; i < 2; ++i) {
    if (has_changed(error)) {
      const auto segments = segments_of(folder_, error);
      ids_.clear();
      for (const std::string& segment : segments) read(segment, error);
    }
    if (!error.empty()) {
      read_at_ = 0;  // what was read is not all: the next key must not be looked for in it
      return true;
    }
    if (in_journal(key) || in_file(key)) return true;
    if (!has_changed(error)) return false;
    read_at_ = 0;
  }
  return false;
}

bool SpooledCopies::has_changed(std::string& error) {
  std::int64_t newest = 1;
  const auto segments = segments_of(folder_, error);
  for (const std::string& segment : segments) {
    struct stat info = {};
    if (::stat(segment.c_str(), &info) != 0) continue;
    newest = std::max(newest, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec);
  }
  if (newest == read_at_ && segments.size() == segments_) return false;
  read_at_ = newest;
  segments_ = segments.size();
  return true;
}

void SpooledCopies::read(const std::string& segment, std::string& error) {
  std::ifstream file(segment, std::ios::binary);
  if (!file && errno == ENOENT) return;  // it was removed: nothing waits in it
  std::string bytes;
  try {
    if (!file) throw std::ios_base::failure("cannot open it");
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure& failure) {
    error = segment + ": " + failure.what();
    return;
  }
  if (bytes.size() < kFirst || is_free(bytes)) return;
  for (std::size_t at = bytes.find(kMagic, kFirst); at != std::string::npos;
       at = bytes.find(kMagic, at + 1)) {
    if (at % kAligned != 0 || bytes.size() - at < kHeader || bytes[at + kKind] != kMessage)
      continue;
    const auto size = static_cast<std::size_t>(number(bytes, at + kIdSize, 2));
    if (bytes.size() - at - kHeader >= size) ids_.insert(bytes.substr(at + kHeader, size));
  }
}

bool SpooledCopies::in_journal(std::string_view key) const {
  return any_of(key, [this](std::string_view id) { return ids_.contains(std::string(id)); });
}

bool SpooledCopies::in_file(std::string_view key) const {
  return any_of(key, [this](std::string_view id) {
    return ::access((folder_ + "/" + std::string(id) + ".json").c_str(), F_OK) == 0;
  });
}

}  // namespace lsmtpd::sink
