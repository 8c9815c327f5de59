// SPDX-License-Identifier: Apache-2.0
#include "replay_copies.hpp"

namespace lsmtpd::json_spool {

std::optional<Archive::Page> ReplayCopies::list(bool restart, std::uint32_t max) {
  if (journal_ == nullptr) return files_.list(restart, max);
  if (restart) files_listed_ = false;
  if (!files_listed_) {
    auto page = files_.list(restart, max);
    if (!page) return page;
    files_listed_ = page->end;
    if (restart) page->waiting += journal_->list(true, 0).waiting;
    if (!page->end) return page;
    const auto rest = static_cast<std::uint32_t>(max - page->copies.size());
    Archive::Page more = journal_->list(false, rest);
    for (Archive::Copy& copy : more.copies) page->copies.push_back(std::move(copy));
    page->end = more.end;
    return page;
  }
  return journal_->list(false, max);
}

Archive::Loaded ReplayCopies::load(const std::string& id, const Archive::Make& make) {
  from_journal_ = in_journal(id);
  return from_journal_ ? journal_->load(id, make) : files_.load(id, make);
}

int ReplayCopies::dead_letter(const std::string& id, std::string_view reason) {
  return in_journal(id) ? journal_->dead_letter(id, reason) : files_.dead_letter(id, reason);
}

ReplayCopies::Count::Count(ReplayCopies& copies, std::string target)
    : copies_(copies), target_(std::move(target)), listing_(copies.files_.all()) {
  if (copies.journal_ != nullptr) journal_.emplace(*copies.journal_, target_);
}

bool ReplayCopies::Count::next(std::uint64_t& found) {
  if (!files_done_ && copies_.files_.count_next(*listing_, target_, found)) return true;
  files_done_ = true;
  return journal_ && journal_->next(found);
}

}  // namespace lsmtpd::json_spool
