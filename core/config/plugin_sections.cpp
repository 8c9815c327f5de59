// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "base/text.hpp"
#include "config/sections.hpp"

namespace lsmtpd::config {
namespace {

// False: the value, or one inside it, is not one that a plugin can be given; it has been reported.
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

void read_plugin(Reader& reader, Plugin& plugin, uint64_t chain, Diagnostics& diagnostics) {
  reader.require("use", plugin.position, "such as use = \"filter_size\"");
  if (const Node* use = reader.text("use", plugin.use)) {
    plugin.use_position = use->position;
    if (plugin.use.empty()) reader.error(*use, "use", "is empty", "such as \"filter_size\"");
  }
  const Node* deadline = reader.duration("deadline", plugin.deadline, {1, longest_wait});
  const bool chosen = deadline && plugin.deadline != Plugin{}.deadline;  // and not the default
  if (chosen && plugin.deadline > chain) {
    reader.warning(*deadline, "deadline",
                   fmt::format("is {}, but timeouts.chain ends first, after {}",
                               format_duration(plugin.deadline), format_duration(chain)));
  }
  if (const Node* policy = reader.choice("on_timeout", plugin.on_timeout, on_failure_names)) {
    plugin.on_timeout_position = policy->position;
  }
  if (const Node* policy = reader.choice("on_error", plugin.on_error, on_failure_names)) {
    plugin.on_error_position = policy->position;
  }
  if (const Node* fallback = reader.text("fallback", plugin.fallback)) {
    plugin.fallback_position = fallback->position;
  }
  read_options(reader, plugin, diagnostics);
}

void read_chain(Reader& reader, Chain& chain) {
  reader.require("steps", chain.position, "such as steps = [\"size\", \"spool\"]");
  const Node* steps = reader.texts("steps", chain.steps, &chain.step_positions);
  if (steps && std::get<Node::List>(steps->value).empty()) {
    reader.error(*steps, "steps", "is empty: nothing would store the mail",
                 "such as [\"size\", \"spool\"]");
  }
}

}  // namespace lsmtpd::config
