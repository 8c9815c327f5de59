#include "config/tree.hpp"

// Version 3.3 asserts, or in release builds tells the compiler to assume, what documents that are
// not TOML make untrue ("[." does), and handles them well when it does neither.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 1  // caught below
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/stray.hpp"

namespace lsmtpd::config {
namespace {

Position to_position(const toml::source_position& position) {
  return {position.line, position.column};
}

Node convert(const toml::node& node);

Table convert_table(const toml::table& table) {
  Table converted;
  for (const auto& [key, value] : table) {
    converted.entries.push_back(
        {std::string(key.str()), to_position(key.source().begin), convert(value)});
  }
  // toml++ sorts by name; people read from top to bottom.
  std::stable_sort(converted.entries.begin(), converted.entries.end(),
                   [](const Entry& a, const Entry& b) {
                     return std::pair(a.key_position.line, a.key_position.column) <
                            std::pair(b.key_position.line, b.key_position.column);
                   });
  return converted;
}

Node::List convert_list(const toml::array& list) {
  Node::List converted;
  for (const toml::node& item : list) converted.push_back(convert(item));
  return converted;
}

Node convert(const toml::node& node) {
  Node converted;
  converted.position = to_position(node.source().begin);
  switch (node.type()) {
    case toml::node_type::string:
      converted.value = node.as_string()->get();
      break;
    case toml::node_type::boolean:
      converted.value = node.as_boolean()->get();
      break;
    case toml::node_type::integer:
      converted.value = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      converted.value = node.as_floating_point()->get();
      break;
    case toml::node_type::array:
      converted.value = convert_list(*node.as_array());
      break;
    case toml::node_type::table:
      converted.value = convert_table(*node.as_table());
      break;
    default:
      converted.value = Date{};
  }
  return converted;
}

}  // namespace

const Node* Table::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &found->node;
}

std::string_view type_name(const Node& node) {
  constexpr std::string_view names[] = {
      "a string", "true or false", "an integer", "a number with a fraction",
      "a date",   "a list",        "a table"};
  return names[node.value.index()];
}

Document parse_toml(std::string_view text) {
  Document document;
  document.error = find_stray(text);
  if (document.error) return document;
  try {
    document.root = convert_table(toml::parse(text));
  } catch (const toml::parse_error& error) {
    document.error = Diagnostic{false, to_position(error.source().begin),
                                escape_for_log(error.description()), ""};
  }
  return document;
}

}  // namespace lsmtpd::config
