// SPDX-License-Identifier: Apache-2.0
#include "journal_message.hpp"

#include <cerrno>

#include "file_names.hpp"
#include "journal_mail.hpp"

namespace lsmtpd::json_spool {

JournalMessage::JournalMessage(JournalTarget& target, Tally::Ticket ticket, sdk::Call call,
                               sdk::Message message, const std::string& id, const Purpose& purpose)
    : ticket_(std::move(ticket)),
      call_(std::move(call)),
      message_(std::move(message)),
      target_(target) {
  journal::NewCopy copy;
  copy.id = id;
  copy.meta = envelope_json(message_, id, purpose);
  copy.content_size = message_.size();
  copy.time_ns = target.files.now_ns();
  copy.in_doubt = purpose.in_doubt;
  prepare(std::move(copy), target_.journal.copies().key_of(id, false));
}

void JournalMessage::answered(std::int64_t error) {
  if (error == 0) {
    target_.capacity.saw_journal(target_.journal.copies().totals());
    if (target_.stored) target_.stored(copy().id, *key());
    return call_.stored(target_.to_files ? target_.where + "/" + file_name(copy().id)
                                         : target_.where);
  }
  const std::string detail = "cannot store it in the journal: " + error_text(error);
  if (error == -ENOSPC || error == -EDQUOT)
    return call_.tempfail("Insufficient system storage", 452, "4.3.1", detail);
  call_.tempfail({}, 0, {}, detail);
}

void JournalForget::answer(std::int64_t error) {
  target_.capacity.saw_journal(target_.journal.copies().totals());
  if (error == 0) return call_.stored();
  call_.tempfail({}, 0, {}, error_text(error));
}

}  // namespace lsmtpd::json_spool
