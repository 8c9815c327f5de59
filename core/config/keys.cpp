// SPDX-License-Identifier: Apache-2.0
#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/host.hpp"
#include "config/substitute.hpp"
#include "config/validate.hpp"

namespace lsmtpd::config {
namespace {

std::string number_text(Type type, uint64_t number) {
  if (type == Type::size) return format_size(number);
  if (type == Type::duration) return format_duration(number);
  return std::to_string(number);
}

Status check_number(const Key& key, uint64_t number) {
  if (number >= key.range.least && number <= key.range.most) return {};
  return fail("is {}; allowed: {}", number_text(key.type, number), allowed_text(key));
}

Status check_text(const Key& key, const std::string& text) {
  const std::string shown = escape_for_log(text);
  if (text.find('\0') != std::string::npos)
    return fail("contains a NUL");  // the system would see only what stands before it
  if (text.empty() && !key.empty.empty()) return fail("{}", key.empty);
  if (key.type == Type::hostname && !text.empty() && !is_hostname(text))
    return fail("is \"{}\", which is neither a domain nor an address literal", shown);
  if (key.type == Type::name && !is_name(text))
    return fail("is \"{}\": use up to 64 letters, digits, - and _", shown);
  if (key.type == Type::address) {
    if (const auto parsed = parse_address(text); !parsed)
      return fail("is \"{}\": {}", shown, parsed.error().message);
  }
  if (key.type == Type::word &&
      std::find(key.words.begin(), key.words.end(), text) == key.words.end()) {
    return fail("is \"{}\"; allowed: {}", shown, allowed_text(key));
  }
  return {};
}

std::string list_text(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + quoted(text);
  return out + "]";
}

}  // namespace

const SectionInfo& info(Section section) {
  return sections()[static_cast<size_t>(section)];
}

std::span<const Key> keys_of(Section section) {
  const auto all = all_keys();
  const auto in = [section](const Key& key) { return key.section == section; };
  const auto first = std::find_if(all.begin(), all.end(), in);
  return {first, std::find_if_not(first, all.end(), in)};
}

const Key& key(Section section, std::string_view name) {
  const auto keys = keys_of(section);
  return *std::find_if(keys.begin(), keys.end(),
                       [name](const Key& one) { return one.name == name; });
}

void set_defaults(Section section, void* target) {
  for (const Key& one : keys_of(section)) {
    if (!one.set || one.required || !one.computed.empty()) continue;
    if (one.type == Type::texts || one.type == Type::servers) {
      one.set(target, std::vector<std::string>{});
    } else if (one.type == Type::networks) {
      one.set(target, std::vector<Network>{});
    } else if (one.type == Type::certificates) {
      one.set(target, std::vector<CertificateFiles>{});
    } else if (const auto value = parse_value(one, one.default_value)) {
      one.set(target, *value);
    }
  }
}

Result<Value> parse_value(const Key& key, std::string_view text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  switch (key.type) {
    case Type::integer:
      if (const auto [rest, error] = std::from_chars(text.data(), end, number);
          error != std::errc{} || rest != end) {
        return fail("\"{}\" is not a number", escape_for_log(text));
      }
      return Value(number);
    case Type::size:
      return parse_size(text);
    case Type::duration:
      return parse_duration(text);
    case Type::truth:
      if (text != "true" && text != "false")
        return fail("\"{}\" is neither true nor false", escape_for_log(text));
      return Value(text == "true");
    default:
      return Value(std::string(text));
  }
}

Status check_value(const Key& key, const Value& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) return check_number(key, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return check_text(key, *text);
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  if (texts && texts->empty() && !key.empty.empty()) return fail("{}", key.empty);
  return {};
}

std::string allowed_text(const Key& key) {
  if (key.type == Type::word) return fmt::format("\"{}\"", fmt::join(key.words, "\", \""));
  const auto [least, most] = key.range;
  const std::string from = number_text(key.type, least);
  if (most != kUnlimited) return fmt::format("{} to {}", from, number_text(key.type, most));
  return least == 0 ? "" : from + " or more";
}

std::string toml_text(const Key& key, const Value& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) {
    const std::string text = number_text(key.type, *number);
    return key.type == Type::integer ? text : quoted(text);
  }
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return list_text(*texts);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* files = std::get_if<std::vector<CertificateFiles>>(&value)) {
    std::string out = "[";
    for (const CertificateFiles& one : *files) {
      out += fmt::format("{}{{ certificate = {}, key = {} }}", out.size() > 1 ? ", " : "",
                         quoted(one.certificate), quoted(one.key));
    }
    return out + "]";
  }
  std::vector<std::string> texts;
  for (const Network& network : std::get<std::vector<Network>>(value))
    texts.push_back(format_network(network));
  return list_text(texts);
}

std::string default_text(const Key& key) {
  if (key.required || !key.computed.empty()) return {};
  switch (key.type) {
    case Type::options:
      return "{}";
    case Type::texts:
    case Type::networks:
    case Type::servers:
    case Type::certificates:
      return "[]";
    case Type::truth:
    case Type::integer:
      return std::string(key.default_value);
    default:
      return quoted(key.default_value);
  }
}

std::string quoted(std::string_view text) {
  return basic_string(protect(text));
}

std::string basic_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

Server::Server() {
  set_defaults(Section::server, this);
}
Listener::Listener() {
  set_defaults(Section::listener, this);
}
Tls::Tls() {
  set_defaults(Section::tls, this);
}
Limits::Limits() {
  set_defaults(Section::limits, this);
}
Timeouts::Timeouts() {
  set_defaults(Section::timeouts, this);
}
Log::Log() {
  set_defaults(Section::log, this);
}

Admin::Admin() {
  set_defaults(Section::admin, this);
}
Plugin::Plugin() {
  set_defaults(Section::plugin, this);
}
Chain::Chain() {
  set_defaults(Section::chain, this);
}
Route::Route() {
  set_defaults(Section::route, this);
}

}  // namespace lsmtpd::config
