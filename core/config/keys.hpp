// SPDX-License-Identifier: Apache-2.0
// The configuration keys of the core, in one table (key_table.cpp).
//
// From it come the reader (sections.cpp), `check --print` (print.cpp), the tables of
// docs/configuration.md and lsmtpd.toml(5) (reference.cpp) and the hints for mistyped keys. A new
// key is a member of its section's struct (config.hpp), a row of the table, and its user.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/network.hpp"
#include "base/result.hpp"
#include "config/config.hpp"

namespace lsmtpd::config {

enum class Section : uint8_t {
  server,
  tls,
  listener,
  limits,
  timeouts,
  log,
  admin,
  plugin,
  chain,
  route
};

struct SectionInfo {
  Section section;
  std::string_view name;    // as messages about its keys begin: "limits"
  std::string_view header;  // as a person writes it: "[plugin.NAME]"
  std::string_view help;
};

// In the order of `check --print` and of the documents.
std::span<const SectionInfo> sections();
const SectionInfo& info(Section section);

enum class Type : uint8_t {
  text,
  name,      // up to 64 letters, digits, - and _
  hostname,  // a domain or an address literal
  address,   // "HOST:PORT"
  word,      // one of Key::words
  integer,
  size,          // "10MiB", or a number of bytes
  duration,      // "30s", or 0; milliseconds
  texts,         // a list of strings
  networks,      // a list of networks in CIDR notation
  servers,       // a list of addresses of DNS servers, with or without a port; ADDRESS:PORT
  truth,         // true or false
  certificates,  // a list of tables with `certificate` and `key`
  options,       // a table whose keys a plugin defines
};

inline constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

struct Range {
  uint64_t least = 0;
  uint64_t most = kUnlimited;
};

using Value = std::variant<std::string, uint64_t, std::vector<std::string>, std::vector<Network>,
                           bool, std::vector<CertificateFiles>>;

struct Key {
  Section section;
  std::string_view name;
  Type type;
  std::string_view default_value;  // as the file would have it, without quotes or brackets
  Range range = {};                // integer, size, duration
  std::span<const std::string_view> words = {};  // word: the allowed ones
  std::string_view computed = {};  // says how the program finds the default, where it does
  bool required = false;           // there is no default
  bool fixed = false;              // used at the start: a reload cannot change it
  std::string_view empty = {};     // text, texts: the problem with an empty value; unset: none
  std::string_view example = {};   // a value as the file would have it, for hints
  std::string_view help = {};      // at most 160 characters, with the unit
  // The member of the section's struct. Not for Type::options.
  Value (*get)(const void* section) = nullptr;
  void (*set)(void* section, const Value& value) = nullptr;
};

// All of them, in the order of the documents; those of one section stand together.
std::span<const Key> all_keys();
std::span<const Key> keys_of(Section section);
const Key& key(Section section, std::string_view name);  // which is in the table

// Keys that are fixed, and whose values differ. `at`: where `next` gives it.
struct FixedChange {
  const Key& key;
  Position at;
};
std::vector<FixedChange> fixed_changes(const Config& now, const Config& next);

// Gives every key of `section` its default. Used by the constructors of config.hpp.
void set_defaults(Section section, void* target);

// A value as text without quotes: a default, an environment variable. Not for lists and options.
Result<Value> parse_value(const Key& key, std::string_view text);
// Whether a value of the right type is one that the key allows; an error reads on after the key:
// "is 0; allowed: 1 to 1000".
Status check_value(const Key& key, const Value& value);
// "1 to 1000", "1MiB or more", or the words, quoted; empty where everything is allowed.
std::string allowed_text(const Key& key);
// The value as TOML that loads to it again.
std::string toml_text(const Key& key, const Value& value);
// The default as TOML; empty where it is computed or there is none.
std::string default_text(const Key& key);

// `text` in quotes, escaped as TOML wants it: a key.
std::string basic_string(std::string_view text);
// The same for a value: it loads to `text` again, `${NAME}` in it included.
std::string quoted(std::string_view text);

}  // namespace lsmtpd::config
