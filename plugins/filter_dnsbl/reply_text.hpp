// SPDX-License-Identifier: Apache-2.0
// The text of a refusal, with values filled in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace filter_dnsbl {

struct ReplyValues {
  std::string subject;  // what is listed: the address, the HELO name or the domain
  std::string address;
  std::string list;
  std::string text;  // the list's TXT
  std::string score;
};

class ReplyText {
 public:
  // Returns the problem; "": none.
  std::string parse(std::string_view text);
  bool wants_text() const { return wants_text_; }
  // Values have no control characters, and are cut where they are long.
  std::string fill(const ReplyValues& values) const;

 private:
  struct Piece {
    std::string text;
    std::string ReplyValues::*value = nullptr;
  };
  std::vector<Piece> pieces_;
  bool wants_text_ = false;
};

}  // namespace filter_dnsbl
