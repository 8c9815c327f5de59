// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"
#include "config/sections.hpp"

namespace lsmtpd::config {
namespace {

// Returns false if the value, or one inside it, cannot be given to a plugin, and reports it.
bool read_value(const Node& node, const std::string& path, OptionValue& out,
                Diagnostics& diagnostics) {
  out.position = node.position;
  if (node.broken) return false;
  bool good = true;
  if (const auto* list = std::get_if<Node::List>(&node.value)) {
    OptionValue::List values(list->size());
    for (size_t i = 0; i < values.size(); ++i)
      good &= read_value((*list)[i], path, values[i], diagnostics);
    out.value = std::move(values);
  } else if (const auto* table = std::get_if<Table>(&node.value)) {
    OptionValue::Map values;
    for (const Entry& entry : table->entries) {
      const std::string inner = path + "." + escape_for_log(entry.key);
      good &= read_value(entry.node, inner, values[entry.key], diagnostics);
    }
    out.value = std::move(values);
  } else if (const auto* text = std::get_if<std::string>(&node.value)) {
    out.value = *text;
  } else if (const auto* truth = std::get_if<bool>(&node.value)) {
    out.value = *truth;
  } else if (const auto* integer = std::get_if<int64_t>(&node.value)) {
    out.value = *integer;
  } else if (const auto* real = std::get_if<double>(&node.value)) {
    out.value = *real;
  } else {
    add_error(diagnostics, node.position, path + " cannot be a date", "put it in quotes");
    return false;
  }
  return good;
}

void read_options(Reader& reader, Plugin& plugin, Diagnostics& diagnostics) {
  const Node* node = reader.take("options");
  if (!node) return;
  const auto* table = std::get_if<Table>(&node->value);
  if (!table) {
    reader.error(*node, "options", fmt::format("must be a table, not {}", type_name(*node)),
                 fmt::format("write [{}.options]", reader.path()));
    return;
  }
  for (const Entry& entry : table->entries) {
    Option option;
    option.key_position = entry.key_position;
    const std::string key = fmt::format("{}.options.{}", reader.path(), escape_for_log(entry.key));
    option.broken = !read_value(entry.node, key, option.value, diagnostics);
    plugin.options.emplace(entry.key, std::move(option));
  }
}

}  // namespace

void read_plugin(Reader& reader, Plugin& plugin, Diagnostics& diagnostics) {
  read_section(reader, Section::plugin, &plugin, plugin.given, plugin.position);
  read_options(reader, plugin, diagnostics);
}

}  // namespace lsmtpd::config
