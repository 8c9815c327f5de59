// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include <algorithm>
#include <limits>

#include "base/text.hpp"

namespace lsmtpd::config {
namespace {

std::string quoted_list(std::span<const std::string_view> words) {
  std::string list;
  for (const std::string_view word : words) {
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", word);
  }
  return list;
}

template <class Number, class Format>
std::string out_of_range(Number value, Range<Number> range, Format format) {
  const bool open = range.most == std::numeric_limits<Number>::max();
  return fmt::format("is {}; allowed: {}", format(value),
                     open ? fmt::format("{} or more", format(range.least))
                          : fmt::format("{} to {}", format(range.least), format(range.most)));
}

template <class Number>
bool inside(Number value, Range<Number> range) {
  return value >= range.least && value <= range.most;
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

void Reader::warning(const Node& node, std::string_view key, std::string_view problem,
                     std::string hint) {
  add_warning(diagnostics_, node.position, fmt::format("{} {}", full(key), problem),
              std::move(hint));
}

void Reader::wrong_type(const Node& node, std::string_view key, std::string_view wanted,
                        std::string hint) {
  error(node, key, fmt::format("must be {}, not {}", wanted, type_name(node)), std::move(hint));
}

const Node* Reader::text(std::string_view key, std::string& out) {
  const Node* node = take(key);
  if (!node) return nullptr;
  const auto* value = std::get_if<std::string>(&node->value);
  if (!value) {
    wrong_type(*node, key, "a string");
    return nullptr;
  }
  if (value->find('\0') != std::string::npos) {
    error(*node, key, "contains a NUL");  // the system would see only what stands before it
    return nullptr;
  }
  out = *value;
  return node;
}

const Node* Reader::texts(std::string_view key, std::vector<std::string>& out,
                          std::vector<Position>* positions) {
  const Node* node = take(key);
  if (!node) return nullptr;
  const auto* list = std::get_if<Node::List>(&node->value);
  if (!list) {
    const auto* single = std::get_if<std::string>(&node->value);
    wrong_type(*node, key, "a list of strings",
               single ? fmt::format("write [\"{}\"]", escape_for_log(*single)) : "");
    return nullptr;
  }
  out.clear();
  for (const Node& item : *list) {
    const auto* value = std::get_if<std::string>(&item.value);
    if (!value) {
      wrong_type(item, key, "a list of strings");
    } else if (!item.broken) {
      out.push_back(*value);
      if (positions) positions->push_back(item.position);
    }
  }
  return node;
}

const Node* Reader::integer(std::string_view key, uint32_t& out, Range<uint32_t> range) {
  const Node* node = take(key);
  if (!node) return nullptr;
  const auto* value = std::get_if<int64_t>(&node->value);
  if (!value) {
    wrong_type(*node, key, "an integer");
    return nullptr;
  }
  if (!inside<int64_t>(*value, {range.least, range.most})) {
    error(*node, key, out_of_range<int64_t>(*value, {range.least, range.most}, [](int64_t n) {
      return std::to_string(n);
    }));
    return nullptr;
  }
  out = static_cast<uint32_t>(*value);
  return node;
}

// A size is a string with a unit, or an integer that counts bytes: there is no second reading.
const Node* Reader::size(std::string_view key, uint64_t& out, Range<uint64_t> range) {
  const Node* node = take(key);
  if (!node) return nullptr;
  Result<uint64_t> bytes = 0;
  if (const auto* text = std::get_if<std::string>(&node->value)) {
    bytes = parse_size(*text);
  } else if (const auto* count = std::get_if<int64_t>(&node->value)) {
    if (*count < 0)
      bytes = fail("is negative");
    else
      bytes = static_cast<uint64_t>(*count);
  } else {
    wrong_type(*node, key, "a size", "such as \"10MiB\"");
    return nullptr;
  }
  if (!bytes) {
    error(*node, key, bytes.error().message);
  } else if (!inside(*bytes, range)) {
    error(*node, key, out_of_range(*bytes, range, format_size));
  } else {
    out = *bytes;
    return node;
  }
  return nullptr;
}

// A duration is a string with a unit: an integer would be seconds to one reader and milliseconds to
// another. Only 0 is the same in both.
const Node* Reader::duration(std::string_view key, uint64_t& out, Range<uint64_t> range) {
  const Node* node = take(key);
  if (!node) return nullptr;
  Result<uint64_t> milliseconds = 0;
  const auto* count = std::get_if<int64_t>(&node->value);
  if (const auto* text = std::get_if<std::string>(&node->value)) {
    milliseconds = parse_duration(*text);
  } else if (!count || *count != 0) {
    wrong_type(*node, key, "a duration",
               count && *count > 0 ? fmt::format("write \"{}s\"", *count) : "such as \"30s\"");
    return nullptr;
  }
  if (!milliseconds) {
    error(*node, key, milliseconds.error().message);
  } else if (!inside(*milliseconds, range)) {
    error(*node, key, out_of_range(*milliseconds, range, format_duration));
  } else {
    out = *milliseconds;
    return node;
  }
  return nullptr;
}

const Node* Reader::word(std::string_view key, std::string& out,
                         std::span<const std::string_view> allowed) {
  std::string given;
  const Node* node = text(key, given);
  if (!node) return nullptr;
  if (std::find(allowed.begin(), allowed.end(), given) == allowed.end()) {
    error(*node, key,
          fmt::format("is \"{}\"; allowed: {}", escape_for_log(given), quoted_list(allowed)),
          did_you_mean(given, allowed));
    return nullptr;
  }
  out = std::move(given);
  return node;
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
