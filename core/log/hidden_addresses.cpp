// SPDX-License-Identifier: Apache-2.0
#include "log/hidden_addresses.hpp"

#include <fmt/format.h>

#include "base/siphash.hpp"

namespace lsmtpd::log {
namespace {

// Returns true for octets that end a local part in free text. Octets beyond ASCII belong to it
// (RFC 6531), and so do all others that RFC 5322 calls atext, and the dot.
bool ends_atom(char c) {
  return static_cast<unsigned char>(c) <= ' ' ||
         std::string_view("<>()[],;:\\\"@=").find(c) != std::string_view::npos;
}

// The start of the local part that ends before `at` in free text; one in quotes may have anything
// in it.
size_t local_part_start(std::string_view text, size_t at) {
  if (at > 1 && text[at - 1] == '"') {
    for (size_t i = at - 1; i-- > 0;) {
      if (text[i] == '"' && (i == 0 || text[i - 1] != '\\')) return i;
    }
  }
  size_t start = at;
  while (start > 0 && !ends_atom(text[start - 1])) --start;
  return start;
}

// In what a client sent as a path all between "<" or ":" and "@" is a local part, valid or not.
size_t path_start(std::string_view text, size_t at) {
  const size_t before = text.find_last_of("<:", at);
  return before == std::string_view::npos ? 0 : before + 1;
}

std::string_view domain_after(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && !ends_atom(text[end])) ++end;
  return text.substr(at + 1, end - at - 1);
}

bool is_user(std::string_view key) {
  return key == "user" || key == "auth_user";
}

}  // namespace

std::string hide_local_part(std::string_view local_part, std::string_view domain, Addresses mode) {
  if (mode == Addresses::domain) return "*";
  std::string address(local_part);
  address += '@';
  for (const char c : domain) address += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return fmt::format("#{:016x}", siphash(process_key(), address));
}

std::string hide_addresses(std::string_view key, std::string_view value, Addresses mode) {
  if (is_user(key) && !value.empty() && value.find('@') == value.npos)
    return hide_local_part(value, {}, mode);
  const bool whole = key == "from" || key == "to" || is_user(key);
  std::string out;
  size_t done = 0;
  for (size_t at = whole ? value.rfind('@') : value.find('@'); at != value.npos;
       at = value.find('@', at + 1)) {
    size_t start = whole               ? 0
                   : key == "argument" ? path_start(value, at)
                                       : local_part_start(value, at);
    if (start < done) start = done;
    out += value.substr(done, start - done);
    if (start < at) {
      const std::string_view local_part = value.substr(start, at - start);
      out += hide_local_part(local_part, domain_after(value, at), mode);
    }
    done = at;
  }
  out += value.substr(done);
  return out;
}

HiddenAddresses::HiddenAddresses(std::span<const Field> fields, Addresses mode) {
  fields_.reserve(fields.size());
  for (const Field& field : fields) {
    Field& copy = fields_.emplace_back(field);
    if (const auto* value = std::get_if<std::string_view>(&field.value)) {
      copy.value = hidden(field.key, *value, mode);
    } else if (const auto* list = std::get_if<List>(&field.value)) {
      auto& all = lists_.emplace_back();
      for (const std::string_view each : *list) all.push_back(hidden(field.key, each, mode));
      copy.value = List(all);
    }
  }
}

std::string_view HiddenAddresses::hidden(const Key& key, std::string_view value, Addresses mode) {
  if (key.text() == "message_id") return value;
  if (value.find('@') == value.npos && !is_user(key.text())) return value;
  return texts_.emplace_back(hide_addresses(key.text(), value, mode));
}

}  // namespace lsmtpd::log
