// SPDX-License-Identifier: Apache-2.0
#include "mail_json/content.hpp"

namespace lsmtpd::mail_json {

std::string_view Pieces::next(Content& content) {
  if (failed_ || offset_ >= content.size()) return {};
  const std::string_view piece = content.peek(offset_);
  if (!piece.empty()) return piece;
  if (offset_ < buffered_at_ || offset_ >= buffered_at_ + buffered_) {
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
    const std::int64_t got = content.read(offset_, buffer_.get(), kBuffer);
    failed_ = got <= 0;  // the end before size() is a failure too
    if (failed_) return {};
    buffered_at_ = offset_;
    buffered_ = static_cast<std::size_t>(got);
  }
  const auto skip = static_cast<std::size_t>(offset_ - buffered_at_);
  return {buffer_.get() + skip, buffered_ - skip};
}

}  // namespace lsmtpd::mail_json
