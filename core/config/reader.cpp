// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace lsmtpd::config {
namespace {

constexpr uint16_t kDnsPort = 53;

// Where the value is no more than empty or malformed, an example helps.
std::string hint_for(const Key& key, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (key.type == Type::word) return did_you_mean(*text, key.words);
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  const bool empty = (text && text->empty()) || (texts && texts->empty());
  if (key.example.empty() || (!empty && key.type != Type::hostname)) return {};
  return fmt::format("such as {}", key.example);
}

}  // namespace

void add_error(Diagnostics& diagnostics, Position position, std::string message, std::string hint) {
  diagnostics.push_back({false, position, std::move(message), std::move(hint)});
}

void add_warning(Diagnostics& diagnostics, Position position, std::string message,
                 std::string hint) {
  diagnostics.push_back({true, position, std::move(message), std::move(hint)});
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates) {
  const std::string_view best = nearest(typed, candidates);
  return best.empty() ? std::string() : fmt::format("did you mean \"{}\"?", best);
}

Reader::Reader(const Table& table, std::string path, std::string section, Diagnostics& diagnostics)
    : table_(table),
      path_(std::move(path)),
      section_(std::move(section)),
      diagnostics_(diagnostics) {}

const Node* Reader::take(std::string_view key) {
  asked_.emplace_back(key);
  const Node* node = table_.find(key);
  return node && !node->broken ? node : nullptr;
}

std::string Reader::full(std::string_view key) const {
  return fmt::format("{}{}{}", path_, path_.empty() ? "" : ".", key);
}

void Reader::error(const Node& node, std::string_view key, std::string_view problem,
                   std::string hint) {
  add_error(diagnostics_, node.position, fmt::format("{} {}", full(key), problem), std::move(hint));
}

void Reader::wrong_type(const Node& node, std::string_view key, std::string_view wanted,
                        std::string hint) {
  error(node, key, fmt::format("must be {}, not {}", wanted, type_name(node)), std::move(hint));
}

const Node* Reader::read(const Key& key, void* target, Given& given) {
  const Node* node = take(key.name);
  if (!node) return nullptr;
  std::vector<Position> items;
  const auto value = value_of(key, *node, &items);
  if (!value) return nullptr;
  given.places[key.name] = node->position;
  if (key.type == Type::texts) given.items[key.name] = std::move(items);
  if (const Status status = check_value(key, *value); !status) {
    error(*node, key.name, status.error().message, hint_for(key, *value));
    return nullptr;
  }
  key.set(target, *value);
  return node;
}

std::optional<Value> Reader::value_of(const Key& key, const Node& node,
                                      std::vector<Position>* items) {
  switch (key.type) {
    case Type::integer:
      return integer(key, node);
    case Type::size:
      return size(key, node);
    case Type::duration:
      return duration(key, node);
    case Type::texts:
    case Type::networks:
    case Type::servers:
      return list(key, node, items);
    case Type::truth:
      return truth(key, node);
    case Type::certificates:
      return certificates(key, node);
    default:
      return text(key, node);
  }
}

std::optional<Value> Reader::text(const Key& key, const Node& node) {
  if (const auto* text = std::get_if<std::string>(&node.value)) return *text;
  wrong_type(node, key.name, "a string");
  return std::nullopt;
}

std::optional<Value> Reader::integer(const Key& key, const Node& node) {
  const auto* number = std::get_if<int64_t>(&node.value);
  if (!number) {
    wrong_type(node, key.name, "an integer");
    return std::nullopt;
  }
  if (*number < 0) {
    error(node, key.name, fmt::format("is {}; allowed: {}", *number, allowed_text(key)));
    return std::nullopt;
  }
  return static_cast<uint64_t>(*number);
}

// A size is a string with a unit, or an integer that counts bytes: there is no second reading.
std::optional<Value> Reader::size(const Key& key, const Node& node) {
  const auto* text = std::get_if<std::string>(&node.value);
  const auto* count = std::get_if<int64_t>(&node.value);
  if (!text && !count) {
    wrong_type(node, key.name, "a size", "such as \"10MiB\"");
    return std::nullopt;
  }
  if (count && *count < 0) {
    error(node, key.name, "is negative");
    return std::nullopt;
  }
  if (count) return static_cast<uint64_t>(*count);
  const auto bytes = parse_size(*text);
  if (bytes) return *bytes;
  error(node, key.name, bytes.error().message);
  return std::nullopt;
}

// A duration is a string with a unit: an integer would be seconds to one reader and milliseconds to
// another. Only 0 is the same in both.
std::optional<Value> Reader::duration(const Key& key, const Node& node) {
  const auto* text = std::get_if<std::string>(&node.value);
  const auto* count = std::get_if<int64_t>(&node.value);
  if (count && *count == 0) return uint64_t{0};
  if (!text) {
    wrong_type(node, key.name, "a duration",
               count && *count > 0 ? fmt::format("write \"{}s\"", *count) : "such as \"30s\"");
    return std::nullopt;
  }
  const auto milliseconds = parse_duration(*text);
  if (milliseconds) return *milliseconds;
  error(node, key.name, milliseconds.error().message);
  return std::nullopt;
}

std::optional<Value> Reader::truth(const Key& key, const Node& node) {
  if (const auto* truth = std::get_if<bool>(&node.value)) return *truth;
  wrong_type(node, key.name, "true or false");
  return std::nullopt;
}

// A table with a mistake is reported and left out.
std::optional<Value> Reader::certificates(const Key& key, const Node& node) {
  constexpr std::string_view kExample =
      "such as [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }]";
  const auto* list = std::get_if<Node::List>(&node.value);
  if (!list) {
    wrong_type(node, key.name, "a list of tables", std::string(kExample));
    return std::nullopt;
  }
  std::vector<CertificateFiles> all;
  for (const Node& item : *list) {
    const auto* table = std::get_if<Table>(&item.value);
    if (item.broken) continue;
    if (!table) {
      wrong_type(item, key.name, "a list of tables", std::string(kExample));
      continue;
    }
    Reader inner(*table, full(key.name), fmt::format("{} of {}", key.name, section_), diagnostics_);
    CertificateFiles files{{}, {}, item.position};
    // Both, so that each mistake is named.
    const bool certificate = inner.file("certificate", item.position, files.certificate);
    const bool key_file = inner.file("key", item.position, files.key);
    inner.finish();
    if (certificate && key_file) all.push_back(std::move(files));
  }
  if (!list->empty() && all.empty()) return std::nullopt;
  return all;
}

// The name of a file, which must be given.
bool Reader::file(std::string_view key, Position where, std::string& name) {
  require(key, where, fmt::format("such as {} = \"/etc/lsmtpd/tls/{}.pem\"", key, key));
  const Node* node = take(key);
  if (!node) return false;
  const auto* text = std::get_if<std::string>(&node->value);
  if (!text) {
    wrong_type(*node, key, "a string");
  } else if (text->empty() || text->find('\0') != std::string::npos) {
    error(*node, key, text->empty() ? "is empty" : "contains a NUL");
  } else {
    name = *text;
    return true;
  }
  return false;
}

// An item with a mistake is reported and left out.
std::optional<Value> Reader::list(const Key& key, const Node& node, std::vector<Position>* items) {
  const auto wanted = key.type == Type::networks ? "a list of networks" : "a list of strings";
  const auto* list = std::get_if<Node::List>(&node.value);
  if (!list) {
    const auto* single = std::get_if<std::string>(&node.value);
    wrong_type(node, key.name, wanted,
               single ? fmt::format("write [\"{}\"]", escape_for_log(*single)) : "");
    return std::nullopt;
  }
  std::vector<std::string> texts;
  std::vector<Network> networks;
  for (const Node& item : *list) {
    const auto* text = std::get_if<std::string>(&item.value);
    if (item.broken) continue;
    if (!text) {
      wrong_type(item, key.name, wanted);
    } else if (text->find('\0') != std::string::npos) {
      error(item, key.name, "contains a NUL");
    } else if (key.type == Type::texts) {
      texts.push_back(*text);
      if (items) items->push_back(item.position);
    } else if (key.type == Type::servers) {
      if (auto server = parse_socket_address(*text, kDnsPort)) {
        texts.push_back(std::move(*server));
      } else {
        error(item, key.name, server.error().message);
      }
    } else if (const auto network = parse_network(*text)) {
      networks.push_back(*network);
    } else {
      error(item, key.name, network.error().message);
    }
  }
  // A list that only mistakes left empty is not called empty as well.
  if (!list->empty() && texts.empty() && networks.empty()) return std::nullopt;
  if (key.type == Type::networks) return networks;
  return texts;
}

const Table* Reader::table(std::string_view key) {
  const Node* node = take(key);
  if (!node) return nullptr;
  const auto* table = std::get_if<Table>(&node->value);
  if (!table) wrong_type(*node, key, "a table", fmt::format("write [{}]", key));
  return table;
}

void Reader::require(std::string_view key, Position where, std::string hint) {
  if (table_.find(key)) return;
  add_error(diagnostics_, where, fmt::format("{} needs \"{}\"", section_, key), std::move(hint));
}

void Reader::finish() {
  std::vector<std::string_view> allowed(asked_.begin(), asked_.end());
  std::sort(allowed.begin(), allowed.end());
  for (const Entry& entry : table_.entries) {
    if (std::find(allowed.begin(), allowed.end(), entry.key) != allowed.end()) continue;
    add_error(
        diagnostics_, entry.key_position,
        fmt::format("unknown {} \"{}\"{}; allowed: {}", path_.empty() ? "section" : "key",
                    escape_for_log(entry.key), path_.empty() ? "" : fmt::format(" in {}", section_),
                    fmt::join(allowed, ", ")),
        did_you_mean(entry.key, allowed));
  }
}

}  // namespace lsmtpd::config
