// SPDX-License-Identifier: Apache-2.0
// All copies that wait, for replay: those in files, which are the older ones, and those in the
// journal, from which they may go into files at any moment. Keeper's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "archive.hpp"
#include "filer.hpp"
#include "journal_archive.hpp"

namespace lsmtpd::json_spool {

class ReplayCopies {
 public:
  // `filer`: it makes files of what is in the journal; null: nothing does.
  ReplayCopies(Files& disk, Archive& files, JournalArchive& journal, Filer* filer)
      : disk_(disk), files_(files), journal_(journal), filer_(filer) {}

  // A copy may be listed twice: in its file, and in the journal.
  std::optional<Archive::Page> list(bool restart, std::uint32_t max);
  bool is_expired(const Archive::Copy& copy) const { return files_.is_expired(copy); }
  Archive::Loaded load(const std::string& id, const Archive::Make& make);
  const std::string& problem() const {
    return from_journal_ ? journal_.problem() : files_.problem();
  }
  log_lines::SharedLineLimit& unreadable() { return files_.unreadable(); }
  bool in_journal(const std::string& id) const { return journal_.has(id); }
  // [any]
  int forget_file(const std::string& id) { return files_.forget(id); }
  int dead_letter(const std::string& id, std::string_view reason);

  // A count in steps, between which other work is done. A copy that goes from the journal to its
  // file meanwhile is counted once; of more than so many in the journal, twice at most.
  class Count {
   public:
    static constexpr std::size_t kMostKnown = 64 * 1024;

    Count(ReplayCopies& copies, std::string target);
    // False: the directory cannot be read.
    bool good() const { return good_; }
    // False: there are no more.
    bool next(std::uint64_t& found);

   private:
    ReplayCopies& copies_;
    const std::string target_;
    JournalArchive::Count journal_;
    struct Hash {
      std::size_t operator()(const journal::Key& key) const { return key.first; }
    };
    std::unordered_set<journal::Key, Hash> counted_;  // in the journal
    bool journal_done_ = false;
    std::unique_ptr<Listing> listing_;
    bool good_ = true;
  };

 private:
  enum class Part { files, journal, files_again, none };

  std::optional<Archive::Page> list_part(bool restart, std::uint32_t max);
  Part next_part() const;

  Files& disk_;
  Archive& files_;
  JournalArchive& journal_;
  Filer* const filer_;
  Part part_ = Part::none;     // of the listing under way
  std::uint64_t version_ = 0;  // of the handover, when that began
  std::int64_t began_ns_ = 0;  // and the time
  bool from_journal_ = false;  // the last load()
};

}  // namespace lsmtpd::json_spool
