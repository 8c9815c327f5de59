// SPDX-License-Identifier: Apache-2.0
#include "bookkeeping.hpp"

#include <mail_json/head.hpp>

namespace lsmtpd::json_spool {

mail_json::Bookkeeping bookkeeping(const sdk::Message& message, std::string_view copy_id,
                                   const Purpose& purpose) {
  mail_json::Bookkeeping book{std::string(copy_id),
                              purpose.target,
                              purpose.reason,
                              purpose.attempts,
                              purpose.in_doubt,
                              0,
                              {}};
  message.each_annotation([&](std::string_view key, std::string_view value) {
    book.annotations.emplace_back(key, value);
  });
  return book;
}

std::string_view traceparent_of(const mail_json::Bookkeeping& book) {
  for (const auto& [key, value] : book.annotations)
    if (key == mail_json::kTraceparent) return value;
  return {};
}

}  // namespace lsmtpd::json_spool
