// SPDX-License-Identifier: Apache-2.0
#include "journal_mail.hpp"

#include <mail_json/head.hpp>

namespace lsmtpd::json_spool {
namespace {

std::string object(const lsmtpd_envelope& envelope, const mail_json::Bookkeeping& book) {
  return mail_json::make_head(envelope, {true, &book, traceparent_of(book)}) + "}";
}

}  // namespace

std::string envelope_json(const sdk::Message& message, std::string_view copy_id,
                          const Purpose& purpose) {
  return object(message.envelope(), bookkeeping(message, copy_id, purpose));
}

mail_json::Result<mail_json::StoredMail> parse_envelope(const journal::StoredRecord& record) {
  auto mail = mail_json::parse_stored(record.meta);
  if (!mail) return mail;
  mail->bookkeeping.first_ns = record.header.time_ns;
  mail->bookkeeping.in_doubt = record.header.in_doubt;
  return mail;
}

std::string envelope_with_reason(const mail_json::StoredMail& mail, std::string_view reason) {
  mail_json::Bookkeeping book = mail.bookkeeping;
  book.reason = reason;
  return object(mail_json::EnvelopeView(mail).get(), book);
}

}  // namespace lsmtpd::json_spool
