// SPDX-License-Identifier: Apache-2.0
#include "admin/json.hpp"

namespace lsmtpd::admin {

namespace {

// The length of the UTF-8 sequence at the beginning of `text`; 0: it is none (RFC 3629).
size_t sequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

}  // namespace

std::string json_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = text[0] == '\0' ? 0 : sequence(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string printed(const Json& value, bool pretty) {
  char* text = pretty ? cJSON_Print(value.get()) : cJSON_PrintUnformatted(value.get());
  std::string out = text ? text : "{}";
  cJSON_free(text);
  return out;
}

std::string json_line(const char* key, std::string_view text) {
  const Json object = json_object();
  put(object.get(), key, text);
  return printed(object) + "\n";
}

std::string json_line(const char* key, int number) {
  const Json object = json_object();
  put(object.get(), key, static_cast<double>(number));
  return printed(object) + "\n";
}

}  // namespace lsmtpd::admin
