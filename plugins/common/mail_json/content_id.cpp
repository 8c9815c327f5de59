// SPDX-License-Identifier: Apache-2.0
#include "mail_json/content_id.hpp"

#include "mail_json/content.hpp"

namespace lsmtpd::mail_json {

ContentId::ContentId(const lsmtpd_envelope& envelope) {
  const auto address = [this](std::string_view text) {
    hash_.add(text);
    hash_.add(std::string_view("\0", 1));
  };
  address(view(envelope.reverse_path));
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i)
    address(view(lsmtpd_recipient_at(&envelope, i)->address));
}

void ContentId::add(std::string_view piece) {
  hash_.add(piece);
}

std::string ContentId::finish() {
  return hash_.digits();
}

}  // namespace lsmtpd::mail_json
