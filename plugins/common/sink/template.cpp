// SPDX-License-Identifier: Apache-2.0
#include "template.hpp"

#include <algorithm>
#include <cctype>

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kLongestValue = 255;

std::string_view view(lsmtpd_str text) {
  return {text.data, text.size};
}

std::string_view local_part(std::string_view address) {
  const auto at = address.rfind('@');
  return address.substr(0, at);
}

std::string lower_domain(std::string_view address) {
  const auto at = address.rfind('@');
  std::string domain(at == std::string_view::npos ? std::string_view{} : address.substr(at + 1));
  std::transform(domain.begin(), domain.end(), domain.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return domain;
}

// The literal text up to the next placeholder, "{{" and "}}" undone.
tl::expected<std::string, std::string> take_literal(std::string_view* text) {
  std::string out;
  while (!text->empty()) {
    const char c = text->front();
    const bool brace = c == '{' || c == '}';
    const bool doubled = brace && text->size() > 1 && (*text)[1] == c;
    if (brace && !doubled) {
      if (c == '{') break;
      return tl::unexpected(
          std::string("a \"}\" without its \"{\"; write \"}}\" for the character"));
    }
    out += c;
    text->remove_prefix(doubled ? 2 : 1);
  }
  return out;
}

}  // namespace

bool Template::find(std::string_view name, Part* part) {
  static constexpr struct {
    std::string_view name;
    Part part;
  } kNames[] = {
      {"rcpt", Part::rcpt},
      {"rcpt_local", Part::rcpt_local},
      {"rcpt_domain", Part::rcpt_domain},
      {"sender_domain", Part::sender_domain},
      {"listener", Part::listener},
      {"auth_user", Part::auth_user},
      {"protocol", Part::protocol},
      {"id", Part::id},
  };
  for (const auto& row : kNames) {
    if (row.name != name) continue;
    *part = row.part;
    return true;
  }
  return false;
}

tl::expected<Template, std::string> Template::parse(std::string_view text) {
  Template out;
  while (!text.empty()) {
    auto literal = take_literal(&text);
    if (!literal) return tl::unexpected(literal.error());
    if (!literal->empty()) out.pieces_.push_back({Part::literal, *std::move(literal)});
    if (text.empty()) break;
    const auto close = text.find('}');
    if (close == std::string_view::npos)
      return tl::unexpected(std::string("a \"{\" that is not closed"));
    const auto name = text.substr(1, close - 1);
    Part part{};
    if (!find(name, &part)) {
      return tl::unexpected(
          "{" + std::string(name) +
          "} is not known; there are {rcpt}, {rcpt_local}, {rcpt_domain}, {sender_domain}, "
          "{listener}, {auth_user}, {protocol}, {id}");
    }
    out.pieces_.push_back({part, {}});
    out.varies_ = true;
    out.by_recipient_ |=
        part == Part::rcpt || part == Part::rcpt_local || part == Part::rcpt_domain;
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string Template::expand(const lsmtpd_envelope& envelope, std::string_view recipient) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.part) {
      case Part::literal:
        out += piece.text;
        break;
      case Part::rcpt:
        out += escape_value(recipient);
        break;
      case Part::rcpt_local:
        out += escape_value(local_part(recipient));
        break;
      case Part::rcpt_domain:
        out += escape_value(lower_domain(recipient));
        break;
      case Part::sender_domain:
        out += escape_value(lower_domain(view(envelope.reverse_path)));
        break;
      case Part::listener:
        out += escape_value(view(envelope.listener));
        break;
      case Part::auth_user:
        out += escape_value(view(lsmtpd_auth_user(&envelope)));
        break;
      case Part::protocol:
        out += escape_value(view(envelope.protocol));
        break;
      case Part::id:
        out += escape_value(view(envelope.id));
        break;
    }
  }
  return out;
}

std::string escape_value(std::string_view value) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  if (value.empty()) return "none";
  std::string out;
  for (const unsigned char c : value.substr(0, kLongestValue)) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

}  // namespace lsmtpd::sink
