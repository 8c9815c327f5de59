// SPDX-License-Identifier: Apache-2.0
#include "encoded_words.hpp"

#include <array>
#include <cstdint>
#include <mail_json/base64.hpp>
#include <optional>

#include "stored_header.hpp"

namespace lsmtpd::json_spool {
namespace {

enum class Charset { utf8, latin1, latin9, windows1252 };

struct Word {
  Charset charset;
  std::string octets;
  std::size_t length;  // of the word in the text
};

std::optional<Charset> charset_of(std::string_view name) {
  const std::string small = in_small_letters(name.substr(0, name.find('*')));  // RFC 2231 5
  if (small == "utf-8" || small == "us-ascii") return Charset::utf8;
  if (small == "iso-8859-1") return Charset::latin1;
  if (small == "iso-8859-15") return Charset::latin9;
  if (small == "windows-1252" || small == "cp1252") return Charset::windows1252;
  return std::nullopt;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::string> decode_q(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out += ' ';
    } else if (text[i] != '=') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<std::string> decode_b(std::string_view text) {
  std::string out(text.size() + 3, '\0');
  mail_json::Base64Decoder decoder;
  const std::int64_t size = decoder.decode(text, out.data());
  if (size < 0 || !decoder.finish()) return std::nullopt;
  out.resize(static_cast<std::size_t>(size));
  return out;
}

// The word that `text` begins with. Longer ones than the 75 characters of RFC 2047 2 are common.
std::optional<Word> word_at(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const std::size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
      text[charset_end + 2] != '?')
    return std::nullopt;
  const std::size_t begin = charset_end + 3;
  const std::size_t end = text.find('?', begin);
  if (end == std::string_view::npos || end + 1 >= text.size() || text[end + 1] != '=')
    return std::nullopt;
  const std::string_view encoded = text.substr(begin, end - begin);
  if (encoded.find(' ') != std::string_view::npos) return std::nullopt;
  const auto charset = charset_of(text.substr(2, charset_end - 2));
  if (!charset) return std::nullopt;
  const char encoding = text[charset_end + 1];
  std::optional<std::string> octets;
  if (encoding == 'Q' || encoding == 'q') octets = decode_q(encoded);
  if (encoding == 'B' || encoding == 'b') octets = decode_b(encoded);
  if (!octets) return std::nullopt;
  return Word{*charset, *std::move(octets), end + 2};
}

// 0x80 to 0x9f of Windows-1252; 0: no character.
constexpr std::array<std::uint16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

unsigned latin9(unsigned char octet) {
  switch (octet) {
    case 0xA4:
      return 0x20AC;
    case 0xA6:
      return 0x0160;
    case 0xA8:
      return 0x0161;
    case 0xB4:
      return 0x017D;
    case 0xB8:
      return 0x017E;
    case 0xBC:
      return 0x0152;
    case 0xBD:
      return 0x0153;
    case 0xBE:
      return 0x0178;
    default:
      return octet;
  }
}

unsigned character(Charset charset, unsigned char octet) {
  if (charset == Charset::latin9) return latin9(octet);
  if (charset == Charset::windows1252 && octet >= 0x80 && octet < 0xA0) {
    const unsigned known = kWindows1252[octet - 0x80U];
    return known != 0 ? known : 0xFFFD;
  }
  return octet;
}

void put_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | code >> 6);
    out += static_cast<char>(0x80U | (code & 63U));
  } else {
    out += static_cast<char>(0xE0U | code >> 12);
    out += static_cast<char>(0x80U | (code >> 6 & 63U));
    out += static_cast<char>(0x80U | (code & 63U));
  }
}

// A word's part of the text. UTF-8 goes out octet by octet: a character may be divided between two
// words.
void put_word(std::string& out, const Word& word) {
  if (word.charset == Charset::utf8) {
    out += word.octets;
    return;
  }
  for (const char octet : word.octets)
    put_utf8(out, character(word.charset, static_cast<unsigned char>(octet)));
}

}  // namespace

std::string decode_words(std::string_view text) {
  std::string out;
  std::size_t blanks = 0;  // behind a word: they go where another follows (RFC 2047 6.2)
  bool after_word = false;
  while (!text.empty()) {
    const auto word = word_at(text);
    if (word) {
      if (after_word) out.resize(out.size() - blanks);
      put_word(out, *word);
      text.remove_prefix(word->length);
      after_word = true;
      blanks = 0;
      continue;
    }
    const bool blank = text.front() == ' ' || text.front() == '\t';
    after_word = after_word && blank;
    blanks = after_word ? blanks + 1 : 0;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace lsmtpd::json_spool
