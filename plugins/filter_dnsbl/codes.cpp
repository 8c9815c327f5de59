// SPDX-License-Identifier: Apache-2.0
#include "codes.hpp"

#include <algorithm>
#include <optional>

#include "mail_names/ip.hpp"

namespace filter_dnsbl {

namespace {

std::optional<Code> parse_code(std::string_view text) {
  const auto ip = lsmtpd::mail_names::parse_ip(text);
  if (!ip || ip->v6) return std::nullopt;
  const auto& b = ip->bytes;
  return Code{b[0]} << 24 | Code{b[1]} << 16 | Code{b[2]} << 8 | Code{b[3]};
}

}  // namespace

std::string code_text(Code code) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8)
    text += (text.empty() ? "" : ".") + std::to_string(code >> shift & 0xff);
  return text;
}

std::string CodeSet::add(std::string_view text) {
  const std::string wrong = "\"" + std::string(text) +
                            "\" is no code: write \"127.0.0.2\", \"127.0.0.2-127.0.0.11\" or "
                            "\"127.0.0.0/24\"";
  std::optional<Code> first, last;
  if (text.find('/') != std::string_view::npos) {
    std::string problem;
    const auto network = lsmtpd::mail_names::parse_network(text, problem);
    if (!network) return problem;
    first = parse_code(network->address.text());
    if (first) last = *first | static_cast<Code>(~uint64_t{0} >> 32 >> network->prefix);
    if (first && network->prefix == 32) last = first;
  } else {
    const size_t dash = std::min(text.find('-'), text.size());
    first = parse_code(text.substr(0, dash));
    last = dash == text.size() ? first : parse_code(text.substr(dash + 1));
  }
  if (!first || !last || *last < *first) return wrong;
  if (!is_list_answer(*first) || !is_list_answer(*last))
    return "\"" + std::string(text) + "\" is not in 127.0.0.0/8, where lists answer";
  if (*last >= kErrorFirst)
    return "\"" + std::string(text) + "\" has errors of lists in it (127.255.255.0/24)";
  ranges_.push_back({*first, *last});
  return {};
}

bool CodeSet::counts(Code code) const {
  if (!is_list_answer(code) || is_list_error(code)) return false;
  return ranges_.empty() || std::any_of(ranges_.begin(), ranges_.end(), [code](const Range& range) {
           return range.first <= code && code <= range.last;
         });
}

}  // namespace filter_dnsbl
