// SPDX-License-Identifier: Apache-2.0
// Replay from the journal: list in steps, load, keep as a dead letter, put back. Keeper's thread,
// but for retry() [any]; all may block on the disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive.hpp"
#include "journal/journal.hpp"

namespace lsmtpd::json_spool {

class JournalArchive {
 public:
  static constexpr std::size_t kWindow = 4096;  // copies that are put in order at a time

  explicit JournalArchive(journal::Journal& journal) : journal_(journal) {}

  bool has(const std::string& id) const { return journal_.copies().find(id, false).has_value(); }
  std::uint64_t waiting() const { return journal_.copies().totals().waiting; }
  journal::Key key_of(const std::string& id) const { return journal_.copies().key_of(id, false); }
  Archive::Page list(bool restart, std::uint32_t max);
  Archive::Loaded load(const std::string& id, const Archive::Make& make);
  const std::string& problem() const { return problem_; }

  // 0, or an errno as a negative number. One that is gone counts as done.
  int dead_letter(const std::string& id, std::string_view reason);
  // Puts a dead letter back. -EEXIST: one of its id waits.
  int retry(const std::string& id);

  // A count of the copies that wait for an output, in steps.
  class Count {
   public:
    Count(JournalArchive& archive, std::string target)
        : archive_(archive), target_(std::move(target)) {}
    // False: there are no more.
    bool next(std::uint64_t& found);
    // The one that next() found; nothing: it had gone by then.
    const std::optional<journal::Key>& seen() const { return seen_; }

   private:
    JournalArchive& archive_;
    const std::string target_;
    std::optional<journal::Copy> last_;
    std::optional<journal::Key> seen_;
    std::vector<journal::Copy> window_;
    bool all_ = false;
  };

 private:
  // The copy may have got another place since it was looked up.
  journal::RecordReader::Found read(const journal::Copy& copy, journal::StoredRecord& record);
  bool fill_window();

  journal::Journal& journal_;
  std::optional<journal::Copy> listed_;
  std::vector<journal::Copy> window_;  // the next copies, in reverse order
  bool window_has_all_ = false;
  std::string problem_;
};

}  // namespace lsmtpd::json_spool
