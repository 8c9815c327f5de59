// SPDX-License-Identifier: Apache-2.0
#include "mail_json/mail_reader.hpp"

#include <algorithm>

#include "mail_json/base64.hpp"
#include "mail_json/unescape.hpp"

namespace lsmtpd::mail_json {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kBeginning = 8 * 1024;  // most headers are smaller

// The place of the quote that ends a string, or its size. `escaped`: a backslash stood before.
std::size_t closing_quote(std::string_view piece, bool& escaped) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (!escaped && piece[i] == '"') return i;
    escaped = !escaped && piece[i] == '\\';
  }
  return piece.size();
}

}  // namespace

Result<StoredMail> Reader::open() {
  return take(Scanner(input_).scan());
}

Result<StoredMail> Reader::open_head() {
  return take(Scanner(input_).scan_head());
}

Result<StoredMail> Reader::take(Result<Outline> outline) {
  if (!outline) return tl::make_unexpected(outline.error());
  outline_ = std::move(*outline);
  if (!outline_.text && !outline_.base64) {
    return tl::make_unexpected(std::string("the key email_content is missing"));
  }
  return parse_stored(outline_.envelope);
}

Result<void> Reader::content(const Sink& sink) {
  if (outline_.base64) {
    Base64Decoder decoder;
    auto done = decode(*outline_.base64, sink,
                       [&](std::string_view in, char* out) { return decoder.decode(in, out); });
    if (done && !decoder.finish()) return tl::make_unexpected("email_content_base64 is cut off");
    return done;
  }
  Unescaper unescaper;
  auto done = decode(*outline_.text, sink,
                     [&](std::string_view in, char* out) { return unescaper.unescape(in, out); });
  if (done && !unescaper.finish()) return tl::make_unexpected("email_content ends in an escape");
  return done;
}

std::string Reader::beginning(std::size_t most) {
  const Slice slice = outline_.base64 ? *outline_.base64 : outline_.text.value_or(Slice{});
  Base64Decoder base64;
  Unescaper unescaper;
  std::string raw(kBeginning, '\0');
  std::string made(kBeginning + 4, '\0');
  std::string text;
  bool escaped = false;
  const std::uint64_t all = std::min<std::uint64_t>(most, slice.size);
  for (std::uint64_t done = 0; done < all;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kBeginning, all - done));
    const std::int64_t got = input_.read_at(slice.offset + done, raw.data(), want);
    if (got <= 0) break;
    const std::string_view piece(raw.data(), static_cast<std::size_t>(got));
    const std::string_view inside = piece.substr(0, closing_quote(piece, escaped));
    const std::int64_t size = outline_.base64 ? base64.decode(inside, made.data())
                                              : unescaper.unescape(inside, made.data());
    if (size < 0) break;
    text.append(made.data(), static_cast<std::size_t>(size));
    const std::size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) return text.substr(0, end + 4);
    if (inside.size() < piece.size()) break;
    done += piece.size();
  }
  return text;
}

template <class Decode>
Result<void> Reader::decode(const Slice& slice, const Sink& sink, Decode decode) {
  const auto raw = std::make_unique_for_overwrite<char[]>(kPiece);
  const auto made = std::make_unique_for_overwrite<char[]>(kPiece + 4);
  std::uint64_t done = 0;
  while (done < slice.size) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, slice.size - done));
    const std::int64_t got = input_.read_at(slice.offset + done, raw.get(), want);
    if (got <= 0) return tl::make_unexpected("cannot read the file");
    const std::int64_t size = decode({raw.get(), static_cast<std::size_t>(got)}, made.get());
    if (size < 0) return tl::make_unexpected("the content is not validly encoded");
    if (size > 0 && !sink({made.get(), static_cast<std::size_t>(size)})) {
      return tl::make_unexpected("the content was not taken");
    }
    done += static_cast<std::uint64_t>(got);
  }
  return {};
}

}  // namespace lsmtpd::mail_json
