// SPDX-License-Identifier: Apache-2.0
#include "replay_copies.hpp"

#include <algorithm>

namespace lsmtpd::json_spool {
namespace {

// The disk's clock may be another one than ours.
constexpr std::int64_t kClocks = 10'000'000'000;

}  // namespace

std::optional<Archive::Page> ReplayCopies::list(bool restart, std::uint32_t max) {
  if (restart) {
    part_ = Part::files;
    version_ = filer_ != nullptr ? filer_->handover().version() : 0;
    began_ns_ = disk_.stamp_ns();
  }
  Archive::Page page;
  for (bool first = restart; part_ != Part::none; first = true) {
    auto more = list_part(first, max - static_cast<std::uint32_t>(page.copies.size()));
    if (!more) return std::nullopt;
    if (restart && part_ == Part::files) page.waiting = more->waiting + journal_.waiting();
    for (Archive::Copy& copy : more->copies) page.copies.push_back(std::move(copy));
    if (!more->end) return page;
    part_ = next_part();
  }
  page.end = true;
  return page;
}

std::optional<Archive::Page> ReplayCopies::list_part(bool restart, std::uint32_t max) {
  if (part_ == Part::journal) return journal_.list(restart, max);
  std::int64_t since_ns = part_ == Part::files_again ? began_ns_ - kClocks : 0;
  if (disk_.stamp_ns() < began_ns_) since_ns = 0;  // the clock was set back
  return files_.list(restart, max, since_ns);
}

// A copy that got its file after the files were listed is not in the journal any more. It stays in
// its file, and copies that were stored since are for the next pass: once is enough.
ReplayCopies::Part ReplayCopies::next_part() const {
  if (part_ == Part::files) return Part::journal;
  const bool moved =
      filer_ != nullptr && (version_ % 2 != 0 || filer_->handover().version() != version_);
  return part_ == Part::journal && moved ? Part::files_again : Part::none;
}

Archive::Loaded ReplayCopies::load(const std::string& id, const Archive::Make& make) {
  from_journal_ = in_journal(id);
  if (from_journal_) {
    const Archive::Loaded loaded = journal_.load(id, make);
    if (loaded != Archive::Loaded::gone) return loaded;
    from_journal_ = false;  // it has its file by now
  }
  return files_.load(id, make);
}

// In its file, so that dead letters are files too; in the journal where it cannot have one now.
int ReplayCopies::dead_letter(const std::string& id, std::string_view reason) {
  if (filer_ == nullptr)
    return in_journal(id) ? journal_.dead_letter(id, reason) : files_.dead_letter(id, reason);
  const journal::Key key = journal_.key_of(id);
  if (in_journal(id)) filer_->settle(key);
  const Handover::Hold hold(filer_->handover(), key);
  if (!in_journal(id)) return files_.dead_letter(id, reason);
  const int error = journal_.dead_letter(id, reason);
  return error < 0 ? error : files_.forget(id);  // an older copy
}

ReplayCopies::Count::Count(ReplayCopies& copies, std::string target)
    : copies_(copies), target_(std::move(target)), journal_(copies.journal_, target_) {}

// The journal first: no copy goes there from its file.
bool ReplayCopies::Count::next(std::uint64_t& found) {
  if (!journal_done_ && journal_.next(found)) {
    const bool moves = copies_.filer_ != nullptr && journal_.seen();
    if (moves && counted_.size() < kMostKnown) counted_.insert(*journal_.seen());
    return true;
  }
  if (!journal_done_) {
    journal_done_ = true;
    listing_ = copies_.files_.all();
    good_ = listing_ != nullptr;
  }
  const auto counted = [this](const std::string& id) {
    return !counted_.empty() && counted_.contains(copies_.journal_.key_of(id));
  };
  return good_ && copies_.files_.count_next(*listing_, target_, counted, found);
}

}  // namespace lsmtpd::json_spool
