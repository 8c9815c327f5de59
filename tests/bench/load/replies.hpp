// SPDX-License-Identifier: Apache-2.0
// Splits what a server says into replies. Lines that come in pieces are kept until they are whole.
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::bench {

class Replies {
 public:
  void add(std::string_view bytes) { text_ += bytes; }

  // The next whole reply, all its lines; empty when there is none. Valid until the next add().
  std::string_view next() {
    std::size_t line = at_;
    for (;;) {
      const std::size_t end = text_.find('\n', line);
      if (end == text_.npos) break;
      const bool last = end - line < 4 || text_[line + 3] != '-';
      line = end + 1;
      if (!last) continue;
      const std::string_view reply = std::string_view(text_).substr(at_, line - at_);
      at_ = line;
      return reply;
    }
    text_.erase(0, at_);
    at_ = 0;
    return {};
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

// 0 for text that is no reply.
inline int code_of(std::string_view reply) {
  if (reply.size() < 3) return 0;
  int code = 0;
  for (const char digit : reply.substr(0, 3)) {
    if (digit < '0' || digit > '9') return 0;
    code = code * 10 + (digit - '0');
  }
  return code;
}

}  // namespace lsmtpd::bench
