// SPDX-License-Identifier: Apache-2.0
#include "smtp/command_reader.hpp"

#include "base/secret.hpp"

namespace lsmtpd::smtp {

CommandReader::Found CommandReader::read(std::string_view& input) {
  if (kept_is_whole_) release();
  if (input.empty()) return Found::nothing;
  if (skipping_) return skip(input);
  const std::string_view part = input.substr(0, kLineLimit - kept_.size());
  const size_t line_feed = part.find('\n');
  if (line_feed != std::string_view::npos) {
    input.remove_prefix(line_feed + 1);
    if (kept_.empty()) return end_line(part.substr(0, line_feed));
    keep(part.substr(0, line_feed));
    kept_is_whole_ = true;
    return end_line(kept_);
  }
  input.remove_prefix(part.size());
  keep(part);
  if (kept_.size() < kLineLimit) return Found::nothing;
  line_ = kept_;
  kept_is_whole_ = skipping_ = true;
  ended_in_cr_ = part.back() == '\r';
  return Found::too_long;
}

CommandReader::Found CommandReader::end_line(std::string_view line) {
  bare_lf_ = !line.ends_with('\r');
  line_ = bare_lf_ ? line : line.substr(0, line.size() - 1);
  return Found::line;
}

CommandReader::Found CommandReader::skip(std::string_view& input) {
  const size_t line_feed = input.find('\n');
  if (line_feed == std::string_view::npos) {
    ended_in_cr_ = input.back() == '\r';
    input = {};
    return Found::nothing;
  }
  bare_lf_ = line_feed > 0 ? input[line_feed - 1] != '\r' : !ended_in_cr_;
  input.remove_prefix(line_feed + 1);
  skipping_ = false;
  return Found::skipped;
}

void CommandReader::keep(std::string_view part) {
  append_and_wipe(kept_, part);
}

void CommandReader::release() {
  line_ = {};
  kept_is_whole_ = false;
  if (kept_.empty()) return;
  wipe(kept_);
  if (kept_.capacity() > std::string().capacity()) std::string().swap(kept_);
}

}  // namespace lsmtpd::smtp
