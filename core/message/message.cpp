// SPDX-License-Identifier: Apache-2.0
#include "message/message.hpp"

#include <algorithm>
#include <cstring>

namespace lsmtpd::message {

std::string_view Message::peek(uint64_t offset) const {
  if (!in_memory()) return {};
  if (offset < prefix_size()) return std::string_view(*prefix).substr(offset);
  return body->peek(offset - prefix_size() + skip);
}

int64_t Message::read(uint64_t offset, char* buffer, uint64_t size) const {
  if (offset >= prefix_size()) return body->read(offset - prefix_size() + skip, buffer, size);
  const std::string_view piece = std::string_view(*prefix).substr(offset, size);
  std::memcpy(buffer, piece.data(), piece.size());
  return static_cast<int64_t>(piece.size());
}

}  // namespace lsmtpd::message
