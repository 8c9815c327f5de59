// SPDX-License-Identifier: Apache-2.0
#include "mail_json/mail_reader.hpp"

#include <algorithm>

#include "mail_json/base64.hpp"
#include "mail_json/unescape.hpp"

namespace lsmtpd::mail_json {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

Result<StoredMail> Reader::open() {
  Result<Outline> outline = Scanner(input_).scan();
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
