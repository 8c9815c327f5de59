// SPDX-License-Identifier: Apache-2.0
// Reads the records of one segment in their order. Bytes that are no record are passed over, up to
// the next one: torn by a power cut, damaged, or left from an earlier use of the segment. One
// thread.
#pragma once

#include <mail_json/json_scanner.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "journal/format.hpp"

namespace lsmtpd::journal {

class Scanner {
 public:
  struct Record {
    RecordHeader header;
    std::string_view id;       // of a message; empty where `torn`
    std::string_view payload;  // of removals, and of each record where all is checked
    bool torn = false;         // the header is whole and the rest is not
  };
  struct Gap {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
  };

  // `check_all`: the checksum of each message too; otherwise only that of removals is checked, and
  // a message's when it is read.
  Scanner(mail_json::Input& input, const SegmentHeader& segment, bool check_all)
      : input_(input), segment_(segment), check_all_(check_all) {}

  // The next record; its views live until the next call. Nothing: there are no more.
  std::optional<Record> next();

  // After the last one.
  std::uint32_t end() const { return end_; }
  // Everything before this place was flushed: a gap in front of it is damage, one behind it the end
  // of what was written last.
  std::uint32_t durable_end() const { return durable_end_; }
  const std::vector<Gap>& gaps() const { return gaps_; }
  bool unreadable() const { return unreadable_; }  // the disk failed

 private:
  static constexpr std::size_t kWindow = 64 * 1024;

  std::string_view view(std::uint64_t position, std::size_t size);
  std::optional<RecordHeader> header_at(std::uint64_t position);
  std::optional<RecordHeader> search(std::uint64_t position);
  Record take(const RecordHeader& header);

  mail_json::Input& input_;
  const SegmentHeader segment_;
  const bool check_all_;
  std::unique_ptr<char[]> window_;
  std::size_t capacity_ = 0;
  std::uint64_t window_at_ = 0;
  std::size_t window_size_ = 0;
  std::uint32_t at_ = kFirst;  // where the next record is expected
  std::uint32_t end_ = kFirst;
  std::uint32_t durable_end_ = kFirst;
  std::vector<Gap> gaps_;
  bool unreadable_ = false;
};

}  // namespace lsmtpd::journal
