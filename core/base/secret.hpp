// SPDX-License-Identifier: Apache-2.0
// Text that is cleared when it goes, such as a password: neither freed memory nor a core is to have
// it. Move-only; it lies on the heap however short it is, so that a move leaves no copy behind.
#pragma once

#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace lsmtpd {

inline void wipe(std::string& text) {
  text.resize(text.capacity());
  explicit_bzero(text.data(), text.size());
  text.clear();
}

// Appends, and clears the memory that the text leaves when it grows.
inline void append_and_wipe(std::string& text, std::string_view part) {
  const size_t size = text.size() + part.size();
  if (size > text.capacity()) {
    std::string larger;
    larger.reserve(std::max(size, 2 * text.capacity()));
    larger.append(text);
    larger.swap(text);
    wipe(larger);
  }
  text.append(part);
}

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) { append(text); }
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {}
  Secret& operator=(Secret&& other) noexcept {
    wipe(text_);
    text_ = std::move(other.text_);
    return *this;
  }
  ~Secret() { wipe(text_); }

  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }
  void append(std::string_view part) {
    if (text_.empty()) text_.reserve(kOnHeap);
    append_and_wipe(text_, part);
  }
  void clear() { wipe(text_); }

 private:
  static constexpr size_t kOnHeap = 64;
  std::string text_;
};

}  // namespace lsmtpd
