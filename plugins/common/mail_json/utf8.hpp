// SPDX-License-Identifier: Apache-2.0
// UTF-8 sequences, divided as by Rust's from_utf8_lossy: each maximal subpart of an invalid
// sequence (Unicode 3.9, U+FFFD substitution) becomes one U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lsmtpd::mail_json {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

enum class Utf8 { valid, invalid, incomplete };

struct Utf8Sequence {
  Utf8 kind;
  std::size_t length;  // bytes of the sequence, or of the maximal subpart that is invalid
};

// The sequence that `text` (not empty) begins with. incomplete: all of `text` is the beginning of a
// valid sequence.
Utf8Sequence utf8_sequence(std::string_view text);

// `text` with U+FFFD where it is not UTF-8. For C strings, NUL is replaced too.
std::string utf8_lossy(std::string_view text);

}  // namespace lsmtpd::mail_json
