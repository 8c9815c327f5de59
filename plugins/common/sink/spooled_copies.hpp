// SPDX-License-Identifier: Apache-2.0
// The copies that wait in a directory of output_json_spool: in files, and in its journal
// (docs/spool-format.md). A record that was removed counts until its segment is used again: the
// answer is for somebody who deletes what does not wait. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

namespace lsmtpd::sink {

class SpooledCopies {
 public:
  explicit SpooledCopies(std::string folder) : folder_(std::move(folder)) {}

  // A message with this copy id, or with the one that it is a part of ("ID.2" is of "ID"), waits.
  // The error says what cannot be read; then nothing is known.
  bool has(std::string_view key, std::string& error);

 private:
  bool in_file(std::string_view key) const;
  bool in_journal(std::string_view key) const;
  // True: the journal is not as it was read.
  bool has_changed(std::string& error);
  void read(const std::string& segment, std::string& error);

  const std::string folder_;
  std::unordered_set<std::string> ids_;  // of the journal, at read_at_
  std::int64_t read_at_ = 0;             // the newest change, nanoseconds since the epoch
  std::size_t segments_ = 0;
};

}  // namespace lsmtpd::sink
