// SPDX-License-Identifier: Apache-2.0
// The text of a list: an entry a line, with its own verdict behind it where it has one; lines that
// are empty or begin with # are left out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "image_builder.hpp"

namespace lsmtpd::access {

// Takes lines one by one. Lines are counted from 1.
class ListText {
 public:
  explicit ListText(ImageBuilder& builder) : builder_(builder) {}

  // Returns the mistake ("line 3: ..."), or "". The line has no LF; a CR at its end is dropped.
  std::string line(std::string_view text);

 private:
  std::string take(std::string_view text);

  ImageBuilder& builder_;
  uint64_t number_ = 0;
};

// A whole text. The first mistake ends it.
std::string read_list(std::string_view text, ImageBuilder& builder);

}  // namespace lsmtpd::access
