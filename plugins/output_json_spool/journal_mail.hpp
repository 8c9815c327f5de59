// SPDX-License-Identifier: Apache-2.0
// The envelope of a message in the journal: the JSON of its file without the content.
#pragma once

#include <lsmtpd/sdk/message.hpp>

#include <string>
#include <string_view>

#include "bookkeeping.hpp"
#include "journal/copy_view.hpp"

namespace lsmtpd::json_spool {

std::string envelope_json(const sdk::Message& message, std::string_view copy_id,
                          const Purpose& purpose);

// The envelope of a record that was read.
mail_json::Result<mail_json::StoredMail> parse_envelope(const journal::StoredRecord& record);

// The same envelope with another reason of its last failure.
std::string envelope_with_reason(const mail_json::StoredMail& mail, std::string_view reason);

}  // namespace lsmtpd::json_spool
