// SPDX-License-Identifier: Apache-2.0
#include "reply_text.hpp"

#include <algorithm>

namespace filter_dnsbl {

namespace {

constexpr size_t kLongestValue = 120;  // the host cuts a line of a reply at 200

struct Name {
  std::string_view name;
  std::string ReplyValues::*value;
};
constexpr Name kNames[] = {{"subject", &ReplyValues::subject},
                           {"address", &ReplyValues::address},
                           {"list", &ReplyValues::list},
                           {"text", &ReplyValues::text},
                           {"score", &ReplyValues::score}};

std::string shown(const std::string& value) {
  std::string out = value.substr(0, kLongestValue);
  while (!out.empty() && value.size() > out.size() &&
         (static_cast<unsigned char>(value[out.size()]) & 0xc0) == 0x80)
    out.pop_back();  // not through a character of UTF-8
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

}  // namespace

std::string ReplyText::parse(std::string_view text) {
  pieces_.clear();
  wants_text_ = false;
  while (!text.empty()) {
    const size_t open = std::min(text.find('{'), text.size());
    if (open > 0) pieces_.push_back({std::string(text.substr(0, open)), nullptr});
    text.remove_prefix(open);
    if (text.empty()) break;
    const size_t close = text.find('}');
    if (close == std::string_view::npos) return "a { is not closed";
    const auto name = text.substr(1, close - 1);
    const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                     [name](const Name& one) { return one.name == name; });
    if (found == std::end(kNames))
      return "there is no {" + std::string(name) +
             "}; there are {subject} {address} {list} {text} {score}";
    pieces_.push_back({{}, found->value});
    wants_text_ = wants_text_ || found->value == &ReplyValues::text;
    text.remove_prefix(close + 1);
  }
  return {};
}

std::string ReplyText::fill(const ReplyValues& values) const {
  std::string out;
  for (const Piece& piece : pieces_) out += piece.value ? shown(values.*piece.value) : piece.text;
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace filter_dnsbl
