// SPDX-License-Identifier: Apache-2.0
// Reads a file of LSMTPD's JSON back, ours or its own, with bounded memory whatever is in it.
// Order: open() reads the whole file and gives the envelope; then content(), any number of times,
// gives the exact bytes in pieces (from email_content_base64 if the file has it). Blocks as Input
// does. Not thread-safe; the input must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mail_json/json_scanner.hpp"
#include "mail_json/stored.hpp"

namespace lsmtpd::mail_json {

class Reader {
 public:
  using Sink = std::function<bool(std::string_view)>;  // false: stop

  explicit Reader(Input& input) : input_(input) {}

  Result<StoredMail> open();
  // As open(), but looks at no more of the file than it must: a fault in the content is not found.
  // Only beginning() may follow.
  Result<StoredMail> open_head();
  // The content up to the end of its header, or `most` bytes of the file, whichever comes first; as
  // much of it as is well formed.
  std::string beginning(std::size_t most);
  // Returns an error where the content is broken or the sink returned false.
  Result<void> content(const Sink& sink);

 private:
  Result<StoredMail> take(Result<Outline> outline);
  template <class Decode>
  Result<void> decode(const Slice& slice, const Sink& sink, Decode decode);

  Input& input_;
  Outline outline_;
};

}  // namespace lsmtpd::mail_json
