// SPDX-License-Identifier: Apache-2.0
// A TOML document as plain values with positions, in the order of the file. tree.cpp is the only
// user of toml++; whoever reads settings (load.cpp through Reader) sees only this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace lsmtpd::config {

struct Entry;
struct Node;

struct Table {
  std::vector<Entry> entries;

  const Node* find(std::string_view key) const;
};

struct Date {};  // TOML has dates and times; no setting does

struct Node {
  using List = std::vector<Node>;
  std::variant<std::string, bool, int64_t, double, Date, List, Table> value;
  Position position;
  bool broken = false;  // a diagnostic tells why: readers take the setting for not given
};

struct Entry {
  std::string key;
  Position key_position;
  Node node;
};

// "a string", "an integer", ...
std::string_view type_name(const Node& node);

struct Document {
  Table root;
  std::optional<Diagnostic> error;  // of syntax; toml++ stops at the first
};

Document parse_toml(std::string_view text);

}  // namespace lsmtpd::config
