// SPDX-License-Identifier: Apache-2.0
#include "io/tls_records.hpp"

#include <algorithm>
#include <cstring>

namespace lsmtpd::io {

namespace {
constexpr unsigned char kFirstType = 20, kHandshakeType = 22, kLastType = 24;
constexpr size_t kLongestRecord = 16384 + 2048;
}  // namespace

unsigned char TlsRecords::octet(size_t index) const {
  const size_t kept = kept_.size() - at_;
  return static_cast<unsigned char>(index < kept ? kept_[at_ + index] : incoming_[index - kept]);
}

// Of the record in front, with its header; 0: it is not whole. Octets that are no record at all are
// OpenSSL's to refuse.
size_t TlsRecords::record_size() const {
  const size_t all = available();
  if (all == 0) return 0;
  const bool known_type = octet(0) >= kFirstType && octet(0) <= kLastType;
  if (!known_type || (all > 1 && octet(1) != 3)) return all;
  if (all < kHeader) return 0;
  const size_t size = static_cast<size_t>(octet(3) << 8 | octet(4));
  if (size > kLongestRecord) return all;
  return all >= kHeader + size ? kHeader + size : 0;
}

void TlsRecords::look_at_messages(size_t record) {
  if (octet(0) != kHandshakeType) {
    handshake_ = false;  // a change of cipher: from now on there are no lengths to see
    return;
  }
  for (size_t i = kHeader; i < record;) {
    if (message_left_ > 0) {
      const size_t part = std::min<size_t>(message_left_, record - i);
      message_left_ -= static_cast<uint32_t>(part);
      i += part;
      continue;
    }
    header_[header_size_++] = octet(i++);
    if (header_size_ < sizeof header_) continue;
    header_size_ = 0;
    message_left_ = static_cast<uint32_t>(header_[1] << 16 | header_[2] << 8 | header_[3]);
    message_too_long_ = message_too_long_ || message_left_ > kLongestMessage;
  }
}

size_t TlsRecords::read(char* target, size_t size) {
  if (left_ == 0) {
    left_ = record_size();
    if (left_ > kHeader && handshake_) look_at_messages(left_);
    if (message_too_long_) return left_ = 0;
  }
  const size_t all = std::min(size, left_);
  const size_t from_kept = std::min(all, kept_.size() - at_);
  std::memcpy(target, kept_.data() + at_, from_kept);
  at_ += from_kept;
  incoming_.copy(target + from_kept, all - from_kept);  // memcpy() must not get its null
  incoming_.remove_prefix(all - from_kept);
  left_ -= all;
  return all;
}

void TlsRecords::end_input() {
  kept_.erase(0, at_);
  at_ = 0;
  kept_.append(incoming_);
  incoming_ = {};
  if (kept_.empty() && kept_.capacity() > std::string().capacity()) std::string().swap(kept_);
}

}  // namespace lsmtpd::io
