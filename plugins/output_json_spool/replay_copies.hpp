// SPDX-License-Identifier: Apache-2.0
// All copies that wait, for replay: those in files, which are the older ones where there are both,
// and those in the journal. Keeper's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "archive.hpp"
#include "journal_archive.hpp"

namespace lsmtpd::json_spool {

class ReplayCopies {
 public:
  // `journal` may be null.
  ReplayCopies(Archive& files, JournalArchive* journal) : files_(files), journal_(journal) {}

  std::optional<Archive::Page> list(bool restart, std::uint32_t max);
  bool is_expired(const Archive::Copy& copy) const { return files_.is_expired(copy); }
  Archive::Loaded load(const std::string& id, const Archive::Make& make);
  const std::string& problem() const {
    return from_journal_ ? journal_->problem() : files_.problem();
  }
  log_lines::SharedLineLimit& unreadable() { return files_.unreadable(); }
  bool in_journal(const std::string& id) const { return journal_ != nullptr && journal_->has(id); }
  // [any]
  int forget_file(const std::string& id) { return files_.forget(id); }
  int dead_letter(const std::string& id, std::string_view reason);

  // A count in steps, between which other work is done.
  class Count {
   public:
    Count(ReplayCopies& copies, std::string target);
    // False: the directory cannot be read.
    bool good() const { return listing_ != nullptr; }
    // False: there are no more.
    bool next(std::uint64_t& found);

   private:
    ReplayCopies& copies_;
    const std::string target_;
    std::unique_ptr<Listing> listing_;
    bool files_done_ = false;
    std::optional<JournalArchive::Count> journal_;
  };

 private:
  Archive& files_;
  JournalArchive* const journal_;
  bool files_listed_ = false;
  bool from_journal_ = false;  // the last load()
};

}  // namespace lsmtpd::json_spool
