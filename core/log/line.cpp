// SPDX-License-Identifier: Apache-2.0
#include "log/line.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/printable.hpp"
#include "base/text.hpp"

namespace lsmtpd::log {
namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};

// Appends to a string whose size grows ahead of the text: an append of some octets is a check and a
// copy. Used for each log line.
class Tail {
 public:
  explicit Tail(std::string& text) : text_(text), at_(text.data() + text.size()), end_(at_) {}
  ~Tail() { text_.resize(used()); }
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  void operator+=(char c) {
    if (at_ == end_) grow(1);
    *at_++ = c;
  }
  void operator+=(std::string_view piece) {
    if (static_cast<size_t>(end_ - at_) < piece.size()) grow(piece.size());
    at_ = std::copy(piece.begin(), piece.end(), at_);
  }
  void between(char before, std::string_view piece, char after) {
    if (static_cast<size_t>(end_ - at_) < piece.size() + 2) grow(piece.size() + 2);
    *at_++ = before;
    at_ = std::copy(piece.begin(), piece.end(), at_);
    *at_++ = after;
  }

 private:
  size_t used() const { return static_cast<size_t>(at_ - text_.data()); }
  [[gnu::noinline]] void grow(size_t more) {
    const size_t before = used();
    text_.resize(before + more + 512);
    at_ = text_.data() + before;
    end_ = text_.data() + text_.size();
  }

  std::string& text_;
  char* at_;
  char* end_;
};

// RFC 3339, UTC, milliseconds. Most lines share their second with the line before.
void append_time(Tail& out, std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  thread_local int64_t last_second = -1;
  thread_local std::string last_text;
  const auto since = duration_cast<milliseconds>(time.time_since_epoch()).count();
  const int64_t second = since / 1000;
  if (second != last_second) {
    const time_t when = second;
    struct tm parts = {};
    gmtime_r(&when, &parts);
    last_text = fmt::format("{:%Y-%m-%dT%H:%M:%S}", parts);
    last_second = second;
  }
  const auto millisecond = static_cast<int>(since % 1000);
  const auto digit = [](int value) { return static_cast<char>('0' + value % 10); };
  const char rest[] = {'.', digit(millisecond / 100), digit(millisecond / 10), digit(millisecond),
                       'Z'};
  out += last_text;
  out += std::string_view(rest, sizeof(rest));
}

struct Cut {
  std::string_view text;
  bool shortened = false;
};

Cut cut(std::string_view text) {
  if (text.size() <= kMaxValue) return {text};
  size_t end = kMaxValue;
  // Not through the middle of a UTF-8 sequence, which has at most three bytes after its first.
  for (int i = 0; i < 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; ++i) --end;
  return {text.substr(0, end), true};
}

// It needs neither quotes nor escapes.
bool is_bare(std::string_view value) {
  return !value.empty() && is_printable_but<' ', '"', '\\', '='>(value);
}

// It needs no escapes.
bool is_plain(std::string_view value) {
  return is_printable_but<'"', '\\'>(value);
}

[[gnu::noinline]] void append_quoted(Tail& out, std::string_view whole) {
  const auto [value, shortened] = cut(whole);
  const bool plain = is_plain(value);
  const std::string escaped = plain ? "" : escape_for_log(value);
  // Letters beyond ASCII need no quotes either.
  const bool quoted =
      plain || shortened || escaped != value || value.find_first_of(" =") != value.npos;
  if (quoted) out += '"';
  out += plain ? value : escaped;
  if (shortened) out += "...";
  if (quoted) out += '"';
}

void append_text_value(Tail& out, std::string_view value) {
  if (value.size() <= kMaxValue && is_bare(value)) {
    out += value;
  } else {
    append_quoted(out, value);
  }
}

// A message of several words stands without quotes, unless it could be taken for fields.
void append_text_message(Tail& out, std::string_view message) {
  if (is_bare(message)) {
    out += message;
    return;
  }
  const std::string escaped = escape_for_log(message);
  const bool quoted = escaped != message || message.find('=') != message.npos;
  if (quoted) out += '"';
  out += escaped;
  if (quoted) out += '"';
}

uint32_t code_point(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  uint32_t value = sequence.size() == 1 ? first : first & (0xffu >> (sequence.size() + 1));
  for (const char c : sequence.substr(1))
    value = value << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return value;
}

void append_json_sequence(Tail& out, std::string_view sequence) {
  if (sequence == "\"" || sequence == "\\") {
    out += '\\';
    out += sequence;
  } else if (escape_for_log(sequence) != sequence) {  // a control character of one kind or another
    out += fmt::format("\\u{:04x}", code_point(sequence));
  } else {
    out += sequence;
  }
}

bool is_plain_json(char c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void append_json_text(Tail& out, std::string_view text) {
  if (is_plain(text)) {
    out += text;
    return;
  }
  while (!text.empty()) {
    size_t length = 0;
    while (length < text.size() && is_plain_json(text[length])) ++length;
    out += text.substr(0, length);
    text.remove_prefix(length);
    if (text.empty()) return;
    length = utf8_sequence(text);
    if (length == 0) {
      out += '\\';  // makes "\xNN" the text \xNN
      out += escape_for_log(text.substr(0, 1));
      length = 1;
    } else {
      append_json_sequence(out, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

void append_json_string(Tail& out, std::string_view whole) {
  const auto [value, shortened] = cut(whole);
  out += '"';
  append_json_text(out, value);
  if (shortened) out += "...";
  out += '"';
}

void append_digits(Tail& out, const fmt::format_int& digits) {
  out += std::string_view(digits.data(), digits.size());
}

void append_number(Tail& out, const Field& field) {
  if (const auto* value = std::get_if<uint64_t>(&field.value)) {
    append_digits(out, fmt::format_int(*value));
  } else if (const auto* with_sign = std::get_if<int64_t>(&field.value)) {
    append_digits(out, fmt::format_int(*with_sign));
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* real = std::get_if<double>(&field.value)) {
    out += fmt::format("{}", *real);
  }
}

void append_text_list(Tail& out, List list) {
  if (list.size() == 1) {
    append_text_value(out, list.front());
    return;
  }
  std::string all;
  for (const std::string_view& each : list) {
    if (&each != list.data()) all += ',';
    all += each;
  }
  append_text_value(out, all);
}

void append_json_list(Tail& out, List list) {
  out += '[';
  for (const std::string_view& each : list) {
    if (&each != list.data()) out += ',';
    append_json_string(out, each);
  }
  out += ']';
}

bool is_finite(const Field& field) {
  const double* number = std::get_if<double>(&field.value);
  return !number || std::isfinite(*number);
}

void append_text_key(Tail& out, const Key& key) {
  if (key.plain()) {
    out.between(' ', key.text(), '=');
  } else {
    out.between(' ', escape_for_log(key.text()), '=');
  }
}

void append_json_key(Tail& out, const Key& key) {
  if (key.plain()) {
    out += key.text();
    return;
  }
  append_json_text(out, key.text());
  const auto reserved = {"time", "level", "message", "plugin"};
  const bool taken = std::find(reserved.begin(), reserved.end(), key.text()) != reserved.end();
  if (taken) out += '_';  // parsers differ in their treatment of equal keys
}

}  // namespace

std::string_view level_name(Level level) {
  return kNames[static_cast<size_t>(level)];
}

void append_text(std::string& text, const Line& line) {
  Tail out(text);
  append_time(out, line.time);
  out += ' ';
  out += level_name(line.level);
  out += ' ';
  append_text_message(out, line.message);
  for (const Field& field : line.fields) {
    append_text_key(out, field.key);
    if (const auto* value = std::get_if<std::string_view>(&field.value)) {
      append_text_value(out, *value);
    } else if (const auto* list = std::get_if<List>(&field.value)) {
      append_text_list(out, *list);
    } else {
      append_number(out, field);
    }
  }
  out += '\n';
}

void append_json(std::string& text, const Line& line) {
  Tail out(text);
  out += R"({"time":")";
  append_time(out, line.time);
  out += R"(","level":")";
  out += level_name(line.level);
  out += R"(","message":)";
  append_json_string(out, line.message);
  for (const Field& field : line.fields) {
    out += ",\"";
    append_json_key(out, field.key);
    out += "\":";
    if (const auto* value = std::get_if<std::string_view>(&field.value)) {
      append_json_string(out, *value);
    } else if (const auto* list = std::get_if<List>(&field.value)) {
      append_json_list(out, *list);
    } else if (is_finite(field)) {
      append_number(out, field);
    } else {
      out += "null";
    }
  }
  out += "}\n";
}

}  // namespace lsmtpd::log
