// SPDX-License-Identifier: Apache-2.0
// Slow, obvious versions of what plugins/common does fast, and mail to try it with.
#pragma once

#include <lsmtpd/message.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <mail_json/content.hpp>
#include <mail_json/utf8.hpp>
#include <mail_json/writer.hpp>

namespace lsmtpd::mail_json::testing {

// The inside of a JSON string, byte by byte from the whole text.
inline std::string escape_slowly(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const Utf8Sequence next = utf8_sequence(text);
    char hex[8];
    std::snprintf(hex, sizeof(hex), "\\u%04x", byte);
    if (next.kind != Utf8::valid) {
      out += "\xEF\xBF\xBD";
    } else if (byte == '"' || byte == '\\') {
      out += {'\\', text[0]};
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte == '\b') {
      out += "\\b";
    } else if (byte == '\f') {
      out += "\\f";
    } else if (byte < 0x20) {
      out += hex;
    } else {
      out += text.substr(0, next.length);
    }
    text.remove_prefix(next.length);
  }
  return out;
}

// Bytes that hit every case often: clean runs, line ends, quotes, controls, UTF-8 whole and broken.
inline std::string random_text(std::mt19937& random, std::size_t parts) {
  static const std::vector<std::string> kParts = {
      "a plain run of text that is longer than a block of sixteen bytes",
      "x",
      "\r\n",
      "\"",
      "\\",
      std::string(1, '\0'),
      "\x01",
      "\x1f",
      "\x7f",
      "\t\b\f",
      "\xC3\xA9",
      "\xE2\x82\xAC",
      "\xF0\x9F\x98\x80",
      "\xC3",
      "\xE2\x82",
      "\xF0\x9F\x98",
      "\x80",
      "\xFF",
      "\xED\xA0\x80",
      "\xC0\xAF",
      "\xF4\x90\x80\x80",
      "\xE0\x80\x80"};
  std::string text;
  for (std::size_t i = 0; i < parts; ++i) text += kParts[random() % kParts.size()];
  return text;
}

// Content that must be read() in uneven bits, as that of a spilled message.
class UnevenContent : public Content {
 public:
  explicit UnevenContent(std::string text) : text_(std::move(text)) {}
  std::uint64_t size() const override { return text_.size() + missing; }
  std::string_view peek(std::uint64_t) override { return {}; }
  std::int64_t read(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (fail) return -1;
    step_ = step_ % 7 + 1;
    const std::string_view rest = std::string_view(text_).substr(static_cast<std::size_t>(offset));
    const std::size_t count = std::min({rest.size(), size, step_});
    rest.copy(buffer, count);
    return static_cast<std::int64_t>(count);
  }
  bool fail = false;
  std::size_t missing = 0;

 private:
  std::string text_;
  std::size_t step_ = 0;
};

inline StoredMail some_mail() {
  StoredMail mail;
  mail.id = "f6f326ce-2fca-4246-96ba-aab732d44ad0";
  mail.time_ns = 1795311519271215996;
  mail.sender = "s@example.org";
  mail.recipients = {{"r@example.org", {}}};
  mail.helo = "client.example.org";
  return mail;
}

// The whole file at once; `room` bytes a call.
inline std::string write_all(const StoredMail& mail, const WriterOptions& options, Content& content,
                             std::size_t room = 4096) {
  const EnvelopeView envelope(mail);
  Writer writer(envelope.get(), options);
  if (!writer.measure(content)) return "cannot measure";
  std::string out;
  std::string buffer(room, '\0');
  for (;;) {
    const std::int64_t made = writer.produce(content, buffer.data(), room);
    if (made < 0) return "cannot produce";
    if (made == 0) break;
    out.append(buffer, 0, static_cast<std::size_t>(made));
  }
  return out.size() == writer.size() ? out : "size() says " + std::to_string(writer.size());
}

}  // namespace lsmtpd::mail_json::testing
