// SPDX-License-Identifier: Apache-2.0
#include "mail_json/json_text.hpp"

#include "mail_json/escape.hpp"
#include "mail_json/utf8.hpp"

namespace lsmtpd::mail_json {

// A comma, unless it is the first member, or a key's value.
void Text::separate() {
  if (!out_.empty() && std::string_view("{[:").find(out_.back()) == std::string_view::npos) {
    out_ += ',';
  }
}

void Text::open(char bracket) {
  separate();
  out_ += bracket;
}

Text& Text::key(std::string_view key) {
  string(key);
  out_ += ':';
  return *this;
}

void Text::number(std::uint64_t value) {
  separate();
  out_ += std::to_string(value);
}

void Text::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
}

void Text::string(std::string_view value) {
  separate();
  out_ += '"';
  const std::size_t plain = Escaper::plain(value);
  out_ += value.substr(0, plain);  // nearly always the whole value
  escape(value.substr(plain));
  out_ += '"';
}

void Text::escape(std::string_view value) {
  if (value.find('\0') != std::string_view::npos) return escape(utf8_lossy(value));
  char escaped[512];
  Escaper escaper;
  while (!value.empty()) {
    const Escaper::Step step = escaper.escape(value, escaped, sizeof(escaped));
    out_.append(escaped, step.written);
    value.remove_prefix(step.read);
  }
  out_.append(escaped, escaper.finish(escaped));
}

}  // namespace lsmtpd::mail_json
