// SPDX-License-Identifier: Apache-2.0
// Reads the answer of a policy service, whatever the service sends: at most kLargestReply octets of
// it are kept.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lsmtpd::policy {

constexpr size_t kLargestReply = 8192;

class ReplyReader {
 public:
  enum class State { more, complete, wrong };

  // Takes octets as they come. After `complete` or `wrong` nothing more may be given.
  State add(std::string_view octets);

  bool empty() const { return text_.empty(); }
  // The value of "action"; after complete.
  const std::string& action() const { return action_; }
  // After wrong.
  const std::string& problem() const { return problem_; }
  void reset() { *this = ReplyReader(); }

 private:
  State fail(std::string problem);
  // One line, without its line end. False: it is wrong.
  bool take_line(std::string_view line);

  std::string text_, action_, problem_;
  size_t begin_ = 0;  // of the line that has no end yet
  bool has_action_ = false;
};

}  // namespace lsmtpd::policy
