// SPDX-License-Identifier: Apache-2.0
// Writes faults of the journal to the log, and puts damaged bytes into quarantine. [any]
#pragma once

#include <lsmtpd/sdk/host.hpp>

#include <functional>
#include <initializer_list>
#include <string>

#include "directory.hpp"
#include "files.hpp"
#include "journal/journal.hpp"
#include "log_lines/line_limit.hpp"

namespace lsmtpd::json_spool {

class JournalEvents : public journal::Events {
 public:
  // An error of the log: text, and fields.
  using Fields = std::initializer_list<sdk::Field>;
  using Log = std::function<void(const char* text, Fields fields)>;

  JournalEvents(Files& files, const Directory& directory, Log log)
      : files_(files), directory_(directory), log_(std::move(log)) {}

  void failed(const journal::GroupWriter::Failure& failure) override;
  bool damaged(journal::SegmentFiles& segments, const journal::Recovery::Fault& fault) override;
  void segment_damaged(const std::string& name) override;
  void segment_unreadable(const std::string& name) override;
  void no_socket(std::int64_t error) const;

 private:
  std::int64_t put_aside(journal::SegmentFiles& segments, const journal::Recovery::Fault& fault,
                         const std::string& name);

  Files& files_;
  const Directory& directory_;
  const Log log_;
  log_lines::SharedLineLimit alarms_{3, 60'000};  // a failing disk fails each message
};

// The name of damaged bytes in quarantine, without its ending.
std::string damaged_id(std::uint64_t segment, std::uint32_t position);
inline constexpr const char* kDamagedEnding = ".record";

}  // namespace lsmtpd::json_spool
