// SPDX-License-Identifier: Apache-2.0
#include "mail_json/json_scanner.hpp"

#include <bit>
#include <cstring>
#include <iterator>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace lsmtpd::mail_json {
namespace {

// Bytes at the start of `text` that neither end a string, nor escape, nor are forbidden in it.
std::size_t plain_run(std::string_view text) {
  std::size_t at = 0;
#if defined(__SSE2__)
  const __m128i last_control = _mm_set1_epi8(0x1F);
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, last_control), block);
    const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    const __m128i escape = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    const __m128i stop = _mm_or_si128(control, _mm_or_si128(quote, escape));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
    if (mask != 0) return at + static_cast<std::size_t>(std::countr_zero(mask));
  }
#endif
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '"' || byte == '\\' || byte < 0x20) break;
    ++at;
  }
  return at;
}

constexpr std::string_view kHeadKeys[] = {"\"timestamp\"", "\"message_id\"", "\"client_address\"",
                                          "\"recipients\"", "\"sender\""};
constexpr unsigned kAllSeen = (1u << std::size(kHeadKeys)) - 1;

}  // namespace

Scanner::Scanner(Input& input)
    : input_(input), buffer_(std::make_unique_for_overwrite<char[]>(kBuffer)) {}

Result<Outline> Scanner::scan() {
  if (!members()) return tl::make_unexpected(problem_);
  return std::move(outline_);
}

Result<Outline> Scanner::scan_head() {
  head_only_ = true;
  return scan();
}

void Scanner::note_key(std::string_view key) {
  for (std::size_t i = 0; i < std::size(kHeadKeys); ++i) {
    if (key == kHeadKeys[i]) seen_ |= 1u << i;
  }
}

bool Scanner::ends_here(std::optional<Slice>& slice) {
  if (peek() != '"') return error("the content is not a string");
  slice = Slice{base_ + at_ + 1, Slice::kUnknown};
  return ended_ = true;
}

bool Scanner::error(const char* what) {
  if (problem_.empty()) {
    problem_ = std::string(what) + " at byte " + std::to_string(base_ + at_);
  }
  return false;
}

// False at the end of the file and on an I/O error, which is noted.
bool Scanner::fill() {
  base_ += size_;
  size_ = 0;
  at_ = 0;
  const std::int64_t got = input_.read_at(base_, buffer_.get(), kBuffer);
  if (got < 0) error("cannot read the file");
  if (got > 0) size_ = static_cast<std::size_t>(got);
  return got > 0;
}

// The next byte, -1 at the end.
int Scanner::peek() {
  if (at_ == size_ && !fill()) return -1;
  return static_cast<unsigned char>(buffer_[at_]);
}

void Scanner::take(bool keep) {
  if (keep) outline_.envelope += buffer_[at_];
  ++at_;
}

void Scanner::spaces() {
  for (int c = peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek()) take(false);
}

bool Scanner::members() {
  spaces();
  if (peek() < 0) return error("the file is empty");
  if (peek() != '{') return error("the file does not begin with {");
  take(true);
  spaces();
  bool more = peek() != '}';
  while (more) {
    if (!member()) return false;
    if (ended_) {
      outline_.envelope += '}';
      return true;
    }
    spaces();
    more = peek() == ',';
    if (more) take(false);
    spaces();
  }
  if (peek() != '}') return error(peek() < 0 ? "the file is cut off" : "expected , or }");
  take(true);
  spaces();
  return peek() < 0 ? problem_.empty() : error("there is something behind the JSON object");
}

bool Scanner::member() {
  if (peek() != '"') return error(peek() < 0 ? "the file is cut off" : "expected a key");
  const std::size_t before = outline_.envelope.size();
  if (before > 1) outline_.envelope += ',';
  const std::size_t start = outline_.envelope.size();
  if (!string(true)) return false;
  const std::string key = outline_.envelope.substr(start);
  spaces();
  if (peek() != ':') return error("expected :");
  take(true);
  spaces();
  const bool text = key == "\"email_content\"";
  if (!text && key != "\"email_content_base64\"") {
    note_key(key);
    return value(1);
  }
  outline_.envelope.resize(before);
  std::optional<Slice>& slice = text ? outline_.text : outline_.base64;
  return head_only_ && seen_ == kAllSeen ? ends_here(slice) : content(slice);
}

bool Scanner::content(std::optional<Slice>& slice) {
  if (slice) return error("the content is there twice");
  if (peek() != '"') return error("the content is not a string");
  const std::uint64_t start = base_ + at_ + 1;
  if (!string(false)) return false;
  slice = Slice{start, base_ + at_ - 1 - start};
  return true;
}

bool Scanner::value(std::size_t depth) {
  const int c = peek();
  if (c == '"') return string(true);
  if (c == '{' || c == '[') return container(depth);
  return scalar();
}

// Checks the structure only; cJSON reads the text afterwards.
bool Scanner::container(std::size_t depth) {
  if (depth > kDepthMax) return error("nested too deep");
  const char close = peek() == '{' ? '}' : ']';
  take(true);
  for (;;) {
    spaces();
    const int c = peek();
    if (c < 0) return error("the file is cut off");
    if (c == close) break;
    if (c == ',' || c == ':') {
      take(true);
    } else if (!value(depth + 1)) {
      return false;
    }
  }
  take(true);
  return true;
}

bool Scanner::scalar() {
  std::size_t size = 0;
  for (int c = peek(); c >= 0 && std::strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", c) && c;
       c = peek()) {
    if (++size > 64) return error("a number is too long");
    take(true);
  }
  if (outline_.envelope.size() > kEnvelopeMax) return error("the envelope is too large");
  return size > 0 || error(peek() < 0 ? "the file is cut off" : "expected a value");
}

// With its quotes.
bool Scanner::string(bool keep) {
  take(keep);
  for (;;) {
    const int c = peek();
    if (c < 0) return error("the file is cut off");
    if (c < 0x20) return error("a control character in a string");
    const std::size_t run = plain_run({buffer_.get() + at_, size_ - at_});
    if (keep) outline_.envelope.append(buffer_.get() + at_, run);
    if (outline_.envelope.size() > kEnvelopeMax) return error("the envelope is too large");
    at_ += run;
    if (run > 0) continue;
    take(keep);
    if (c == '"') return true;
    if (peek() < 0x20) return error("a broken escape");
    take(keep);
  }
}

}  // namespace lsmtpd::mail_json
