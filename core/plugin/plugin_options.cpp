// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_options.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "plugin/option_table.hpp"
#include "plugin/report.hpp"
#include "plugin/thrown.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

Options::Options(const lsmtpd_options_1* table) : values_(rows_of(table)) {}

void Options::take_given(const config::Plugin& entry,
                         std::vector<config::Diagnostic>& diagnostics) {
  std::vector<std::string_view> keys;
  for (const auto& option : values_.rows()) keys.emplace_back(option.key);
  for (const auto& [key, given] : entry.options) {
    if (given.broken) complete_ = false;
    const lsmtpd_option* option = values_.row(key);
    if (!option) {
      const std::string_view near = nearest(key, keys);
      diagnostics.push_back(
          {false, given.key_position,
           fmt::format("plugin.{}: unknown option {}", entry.name, escape_for_log(key)),
           !near.empty()  ? fmt::format("did you mean {}?", near)
           : keys.empty() ? fmt::format("{} takes no options", entry.use)
                          : fmt::format("allowed: {}", fmt::join(keys, ", "))});
      continue;
    }
    std::string problem;
    config::Position at = given.value.position;
    if (!given.broken && !values_.set(*option, given.value, problem, at)) {
      // "[0] must be a table", ".COLUMN is missing": of the table that they name.
      const char* between = problem.starts_with('[') || problem.starts_with('.') ? "" : " ";
      diagnostics.push_back(
          {false,
           at,
           fmt::format("plugin.{}: option {}{}{}", entry.name, key, between, problem),
           {}});
    }
  }
}

void Options::take_defaults(const config::Plugin& entry,
                            std::vector<config::Diagnostic>& diagnostics) {
  for (const auto& option : values_.rows()) {
    if (entry.options.contains(option.key)) continue;
    std::string problem;
    config::Position nowhere;
    if (option.default_value) {
      if (!values_.set(option, {default_of(option), {}}, problem, nowhere)) {
        diagnostics.push_back(
            {false, entry.given["use"],
             fmt::format("{}: its own default of {} {}", entry.use, option.key, problem),
             "the plugin's author must mend it"});
      }
    } else if (option.required) {
      diagnostics.push_back({false, entry.position,
                             fmt::format("plugin.{}: option {} is missing", entry.name, option.key),
                             option.help});
    }
  }
}

namespace {

// Of a column of a table, or of the table where the column is not written.
config::Position position_in(const config::OptionValue& table, std::string_view key) {
  const auto* map = std::get_if<config::OptionValue::Map>(&table.value);
  const size_t dot = key.find("].");
  if (!map || dot == std::string_view::npos) return table.position;
  const auto column = map->find(std::string(key.substr(dot + 2)));
  return column == map->end() ? table.position : column->second.position;
}

// Of "KEY", or of "KEY[2].COLUMN"; the nearest place that is in the file.
config::Position position_of(const config::Plugin& entry, std::string_view key) {
  const size_t bracket = std::min(key.find('['), key.size());
  const auto found = entry.options.find(std::string(key.substr(0, bracket)));
  if (found == entry.options.end()) return entry.position;
  const config::OptionValue& value = found->second.value;
  const auto* list = std::get_if<config::OptionValue::List>(&value.value);
  size_t index = 0;
  if (!list) return position_in(value, key);
  if (bracket == key.size() ||
      std::from_chars(key.data() + bracket + 1, key.data() + key.size(), index).ec != std::errc{} ||
      index >= list->size())
    return value.position;
  return position_in((*list)[index], key);
}

}  // namespace

std::unique_ptr<Options> Options::validate(const config::Plugin& entry,
                                           const lsmtpd_options_1* table,
                                           std::vector<config::Diagnostic>& diagnostics) {
  std::unique_ptr<Options> options(new Options(table));
  const size_t before = diagnostics.size();
  options->complete_ = true;
  options->take_given(entry, diagnostics);
  options->take_defaults(entry, diagnostics);
  if (diagnostics.size() != before) options->complete_ = false;
  if (options->complete_ && table && table->validate) {
    Report report(entry.name, [&](bool warning, std::string_view key, std::string message) {
      diagnostics.push_back({warning, position_of(entry, key), std::move(message), {}});
    });
    try {
      table->validate(options->abi(), report.abi());
      options->complete_ = report.errors() == 0;
    } catch (...) {
      options->complete_ = false;
      diagnostics.push_back(
          {false,
           entry.given["use"],
           fmt::format("plugin.{}: the options could not be checked: {}", entry.name, thrown()),
           {}});
    }
  }
  return options;
}

namespace {

OnFailure on_failure(config::OnFailure policy) {
  switch (policy) {
    case config::OnFailure::reject:
      return OnFailure::reject;
    case config::OnFailure::proceed:
      return OnFailure::proceed;
    case config::OnFailure::tempfail:
      break;
  }
  return OnFailure::tempfail;
}

}  // namespace

Settings settings_of(const config::Plugin& entry) {
  return {entry.name,
          entry.use,
          entry.deadline,
          on_failure(entry.on_timeout),
          on_failure(entry.on_error),
          entry.fallback};
}

}  // namespace lsmtpd::plugin
