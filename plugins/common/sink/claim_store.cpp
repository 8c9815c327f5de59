// SPDX-License-Identifier: Apache-2.0
#include "claim_store.hpp"

namespace lsmtpd::sink {

std::string_view ClaimBody::next() {
  if (failed_ || given_ >= source_->size()) return {};
  const std::int64_t got = source_->produce(buffer_.data(), buffer_.size());
  failed_ = got <= 0;
  if (failed_) return {};
  given_ += static_cast<std::uint64_t>(got);
  return std::string_view(buffer_).substr(0, static_cast<std::size_t>(got));
}

bool ClaimBody::rewind() {
  given_ = 0;
  source_ = make_();
  failed_ = !source_->prepare();
  return !failed_;
}

}  // namespace lsmtpd::sink
