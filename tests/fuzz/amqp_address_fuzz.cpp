// SPDX-License-Identifier: Apache-2.0
// Template addresses of output_amqp. A template that parses is written out again as it was read;
// whatever the values are that clients give,
//   - a value only ever fills its own place: the address is the template's literal text with, where
//     a placeholder stands, letters, digits, "-", "_", "." and percent-encoded octets, at least one
//     and at most 255 of them, and nothing else;
//   - without placeholders the address is the same for every message;
//   - two values that differ within their first 255 octets make two addresses;
#include <string>
#include <vector>

#include <sink/template.hpp>
#include <sink/url.hpp>
#include "amqp_options.hpp"
#include "disposition.hpp"
#include "fuzz_input.hpp"
#include "product.hpp"

namespace {

using namespace lsmtpd;
using amqp::Template;

lsmtpd_str str(std::string_view text) {
  return {text.data(), text.size()};
}

// Cuts the next line off.
std::string_view line(std::string_view* text) {
  const size_t end = text->find('\n');
  const std::string_view out = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return out;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

void require_escaped(std::string_view value, std::string_view escaped) {
  size_t octets = 0;
  for (size_t i = 0; i < escaped.size(); ++i, ++octets) {
    if (is_plain(escaped[i])) continue;
    fuzz::require(escaped[i] == '%' && i + 2 < escaped.size());
    fuzz::require(is_hex(escaped[i + 1]) && is_hex(escaped[i + 2]));
    i += 2;
  }
  fuzz::require(value.empty() ? escaped == "none" : octets == std::min<size_t>(value.size(), 255));
}

// The address, slowly: literal text and placeholders of a template that parses.
std::string reference(std::string_view text, const std::vector<std::string>& values) {
  static constexpr std::string_view kNames[] = {"{rcpt}",          "{rcpt_local}", "{rcpt_domain}",
                                                "{sender_domain}", "{listener}",   "{auth_user}",
                                                "{protocol}",      "{id}"};
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("{{") || text.starts_with("}}")) {
      out += text[0];
      text.remove_prefix(2);
      continue;
    }
    size_t which = 0;
    while (which < std::size(kNames) && !text.starts_with(kNames[which])) ++which;
    if (which == std::size(kNames)) {
      fuzz::require(text[0] != '{' && text[0] != '}');
      out += text[0];
      text.remove_prefix(1);
    } else {
      out += values[which];
      text.remove_prefix(kNames[which].size());
    }
  }
  return out;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

void try_template(std::string_view text, std::string_view rest) {
  const auto parsed = Template::parse(text);
  if (!parsed) return fuzz::require(!parsed.error().empty());
  const std::string_view recipient = line(&rest), sender = line(&rest), listener = line(&rest);
  const std::string_view user = line(&rest), protocol = line(&rest), id = rest;
  lsmtpd_envelope envelope{};
  envelope.size = sizeof envelope;
  envelope.reverse_path = str(sender);
  envelope.listener = str(listener);
  lsmtpd_auth auth{};
  auth.size = sizeof auth;
  auth.user = str(user);
  envelope.auth = &auth;
  envelope.protocol = str(protocol);
  envelope.id = str(id);
  const auto domain = [](std::string_view address) {
    const size_t at = address.rfind('@');
    return at == std::string_view::npos ? std::string()
                                        : lower(std::string(address.substr(at + 1)));
  };
  const auto local = recipient.substr(0, recipient.rfind('@'));
  const std::vector<std::string> raw = {
      std::string(recipient), std::string(local), domain(recipient),     domain(sender),
      std::string(listener),  std::string(user),  std::string(protocol), std::string(id)};
  std::vector<std::string> escaped;
  for (const std::string& value : raw) {
    escaped.push_back(amqp::escape_value(value));
    require_escaped(value, escaped.back());
  }
  const std::string address = parsed->expand(envelope, recipient);
  fuzz::require(address == reference(text, escaped));
  if (!parsed->is_fixed()) return;
  fuzz::require(!parsed->by_recipient());
  fuzz::require(address == parsed->expand(lsmtpd_envelope{}, {}));
}

void try_values(std::string_view one, std::string_view other) {
  const bool same = one.substr(0, 255) == other.substr(0, 255);
  const bool none = (one.empty() && other == "none") || (other.empty() && one == "none");
  fuzz::require(same == (amqp::escape_value(one) == amqp::escape_value(other)) || none);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view text = line(&rest);
  try_template(text, rest);
  try_values(text, rest);
  const auto url = amqp::parse_url(text);
  if (url)
    fuzz::require(amqp::to_string(*amqp::parse_url(amqp::to_string(*url))) ==
                  amqp::to_string(*url));
  const amqp::Product product = amqp::identify(text, rest);
  const std::string address = amqp::exchange_address(product.broker, text, rest);
  (void)amqp::judge(product, {address, 1, {}});
  const std::string path = amqp::queue_path(address);
  fuzz::require(path.empty() || path.starts_with("/queues/"));
  return 0;
}
