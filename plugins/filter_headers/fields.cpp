// SPDX-License-Identifier: Apache-2.0
#include "fields.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

namespace filter_headers {
namespace {

constexpr size_t kSoftLimit = 78, kHardLimit = 998;  // RFC 5322 2.1.1, without the CRLF

std::string_view view(lsmtpd_str text) {
  return text.size == 0 ? std::string_view()
                        : std::string_view(text.data, static_cast<size_t>(text.size));
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

std::string clean(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '\t', ' ');
  std::replace_if(out.begin(), out.end(), is_control, '?');
  return out;
}

// For the FROM and BY clauses: replaces characters that could end an atom or begin a comment. UTF-8
// passes.
std::string atom(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        const bool alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                                  (byte >= 'A' && byte <= 'Z');
        return byte < 0x80 && !alphanumeric &&
               std::string_view(".-_:[]").find(c) == std::string_view::npos;
      },
      '?');
  return out;
}

// For the inside of a comment: removes characters that would end or nest it.
std::string comment(std::string_view text) {
  std::string out = clean(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '(' || c == ')' || c == '\\'; }, '?');
  return "(" + out + ")";
}

// RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]".
std::string address_literal(std::string_view address) {
  const bool v6 = address.find(':') != std::string_view::npos;
  return (v6 ? "[IPv6:" : "[") + atom(address) + "]";
}

// For the inside of <>: a bracket could only stand in a quoted local part, and simple parsers would
// misread it.
std::string path(std::string_view address) {
  return "<" + clean(address) + ">";
}

struct Placeholder {
  std::string_view name;
  lsmtpd_str (*value)(const lsmtpd_envelope& envelope);
};
template <lsmtpd_str lsmtpd_envelope::*member>
lsmtpd_str member_of(const lsmtpd_envelope& envelope) {
  return envelope.*member;
}
constexpr std::array<Placeholder, 7> kPlaceholders = {{
    {"id", member_of<&lsmtpd_envelope::id>},
    {"peer_address", member_of<&lsmtpd_envelope::peer_address>},
    {"helo", member_of<&lsmtpd_envelope::helo>},
    {"listener", member_of<&lsmtpd_envelope::listener>},
    {"reverse_path", member_of<&lsmtpd_envelope::reverse_path>},
    {"protocol", member_of<&lsmtpd_envelope::protocol>},
    {"auth_user", [](const lsmtpd_envelope& envelope) { return lsmtpd_auth_user(&envelope); }},
}};
constexpr std::string_view kHostnamePlaceholder = "hostname";

const Placeholder* find(std::string_view name) {
  const auto* at = std::find_if(kPlaceholders.begin(), kPlaceholders.end(),
                                [&](const Placeholder& p) { return p.name == name; });
  return at == kPlaceholders.end() ? nullptr : at;
}

std::string known_placeholders() {
  std::string list = "{hostname}";
  for (const Placeholder& placeholder : kPlaceholders)
    list += " {" + std::string(placeholder.name) + "}";
  return list;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> list;
  for (size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string_view::npos;) {
    list.push_back(text.substr(at, text.find(' ', at) - at));
    at += list.back().size();
  }
  return list;
}

// A word longer than the longest line is cut between characters of UTF-8.
size_t cut_at(std::string_view text, size_t room) {
  size_t at = room;
  while (at > room - 4 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  return at;
}

}  // namespace

std::string Template::parse(std::string_view text) {
  pieces_.clear();
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{' || text.substr(i, 2) == "{{") {
      literal += text[i];
      i += text[i] == '{';
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string_view::npos) return "a { without its }; write {{ for the brace itself";
    const std::string name(text.substr(i + 1, end - i - 1));
    if (name != kHostnamePlaceholder && find(name) == nullptr)
      return "unknown placeholder {" + name + "}; there are: " + known_placeholders();
    pieces_.push_back({false, std::exchange(literal, {})});
    pieces_.push_back({true, name});
    i = end;
  }
  pieces_.push_back({false, literal});
  return {};
}

std::string Template::expand(const lsmtpd_envelope& envelope, std::string_view hostname) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (!piece.placeholder)
      out += piece.text;
    else if (piece.text == kHostnamePlaceholder)
      out += hostname;
    else
      out += view(find(piece.text)->value(envelope));
  }
  return out;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 76 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > 32 && c < 127 && c != ':';
  });
}

std::string field(std::string_view name, std::string_view value) {
  const std::string cleaned = clean(value);
  std::string out = std::string(name) + ":";
  size_t used = out.size();
  bool first = true;
  for (const std::string_view word : words(cleaned)) {
    // The space before a word is kept; where the line is full, the next line begins with it.
    if (!std::exchange(first, false) && used + 1 + word.size() > kSoftLimit) {
      out += "\r\n";
      used = 0;
    }
    out += ' ';
    ++used;
    std::string_view rest = word;
    while (used + rest.size() > kHardLimit) {
      const size_t at = cut_at(rest, kHardLimit - used);
      out.append(rest.substr(0, at)).append("\r\n ");
      rest.remove_prefix(at);
      used = 1;
    }
    out += rest;
    used += rest.size();
  }
  return out + (first ? " \r\n" : "\r\n");
}

std::string date(int64_t time_ns) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(time_ns / 1000000000);
  std::tm utc{};
  if (gmtime_r(&seconds, &utc) == nullptr) return "Thu, 01 Jan 1970 00:00:00 +0000";
  char text[96];
  // Not strftime: its names follow the locale.
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

std::string received(const lsmtpd_envelope& envelope, std::string_view hostname) {
  const std::string literal = address_literal(view(envelope.peer_address));
  const std::string_view helo = view(envelope.helo);
  std::string out = "Received: from " + (helo.empty() ? literal : atom(helo)) + " (" + literal +
                    ")\r\n\tby " + atom(hostname) + " with " + atom(view(envelope.protocol));
  if (envelope.tls != nullptr) {
    std::string session(view(envelope.tls->version));
    if (envelope.tls->cipher.size != 0) session.append(" ").append(view(envelope.tls->cipher));
    if (!session.empty()) out += " " + comment(session);
  }
  out += "\r\n\tid " + atom(view(envelope.id));
  if (envelope.recipient_count == 1)
    out += "\r\n\tfor " + path(view(lsmtpd_recipient_at(&envelope, 0)->address));
  return out + ";\r\n\t" + date(envelope.time_ns) + "\r\n";
}

std::string return_path(const lsmtpd_envelope& envelope) {
  return "Return-Path: " + path(view(envelope.reverse_path)) + "\r\n";
}

}  // namespace filter_headers
