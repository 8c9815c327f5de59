// SPDX-License-Identifier: Apache-2.0
#include "reply_reader.hpp"

#include <utility>

namespace lsmtpd::policy {

ReplyReader::State ReplyReader::fail(std::string problem) {
  problem_ = std::move(problem);
  return State::wrong;
}

bool ReplyReader::take_line(std::string_view line) {
  const size_t equals = line.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    problem_ = "a line of its answer is no name=value";
    return false;
  }
  if (line.substr(0, equals) != "action") return true;  // Postfix skips others too
  if (std::exchange(has_action_, true)) {
    problem_ = "it answered with two actions";
    return false;
  }
  action_ = line.substr(equals + 1);
  return true;
}

ReplyReader::State ReplyReader::add(std::string_view octets) {
  if (octets.size() > kLargestReply - text_.size())
    return fail("its answer is longer than " + std::to_string(kLargestReply) + " octets");
  text_ += octets;
  for (size_t end; (end = text_.find('\n', begin_)) != std::string::npos;) {
    std::string_view line = std::string_view(text_).substr(begin_, end - begin_);
    begin_ = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) {
      if (begin_ != text_.size()) return fail("it sent more than one answer");
      if (!has_action_) return fail("its answer has no action");
      return State::complete;
    }
    if (!take_line(line)) return State::wrong;
  }
  return State::more;
}

}  // namespace lsmtpd::policy
