// SPDX-License-Identifier: Apache-2.0
#include "plugin/option_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "config/validate.hpp"

namespace lsmtpd::plugin {

namespace {

// As the table of options would have it. Nothing for lists, maps and fractions.
std::optional<std::string> scalar_text(const config::OptionValue& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value.value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value.value)) return *flag ? "true" : "false";
  return std::nullopt;
}

// The least that a row has had since there are plugins.
constexpr uint32_t kShortestRow = offsetof(lsmtpd_option, help) + sizeof(lsmtpd_option::help);

std::string fault_of_rows(const std::vector<lsmtpd_option>& rows, bool columns) {
  std::set<std::string_view> keys;
  for (const auto& option : rows) {
    const std::string_view key = option.key ? option.key : "";
    if (!config::is_name(key)) {
      return fmt::format("the key of row {} is not of up to 64 letters, digits, - and _",
                         keys.size() + 1);
    }
    if (!keys.insert(key).second) return fmt::format("{} is there twice", key);
    if (option.type == LSMTPD_TYPE_ENUM && (!option.allowed || !*option.allowed)) {
      return fmt::format("{} is an enum without values", key);
    }
    if (option.minimum > option.maximum) {
      return fmt::format("{} allows nothing: its minimum {} is above its maximum {}", key,
                         option.minimum, option.maximum);
    }
    if (option.type != LSMTPD_TYPE_TABLES) continue;
    if (columns) return fmt::format("{} is a list of tables inside a table", key);
    if (option.column_count == 0 || !option.columns || option.column_stride < kShortestRow)
      return fmt::format("{} is a list of tables without columns", key);
    if (option.default_value) return fmt::format("{} is a list of tables with a default", key);
    if (auto fault = fault_of_rows(columns_of(option), true); !fault.empty())
      return fmt::format("{}: {}", key, fault);
  }
  return {};
}

}  // namespace

std::vector<lsmtpd_option> rows_of(const lsmtpd_option* options, uint32_t stride, uint32_t count) {
  std::vector<lsmtpd_option> rows(count);
  const char* at = reinterpret_cast<const char*>(options);
  for (auto& row : rows) {
    row = {};
    std::memcpy(&row, at, std::min<size_t>(stride, sizeof row));
    at += stride;
  }
  return rows;
}

std::vector<lsmtpd_option> rows_of(const lsmtpd_options_1* table) {
  if (!table) return {};
  return rows_of(table->options, table->stride, table->count);
}

std::vector<lsmtpd_option> columns_of(const lsmtpd_option& option) {
  return rows_of(option.columns, option.column_stride, option.column_count);
}

std::string fault_of(const lsmtpd_options_1& table) {
  if (table.count == 0) return {};
  if (!table.options) return "it has no rows";
  if (table.stride < kShortestRow) return "its stride is smaller than a row";
  return fault_of_rows(rows_of(&table), false);
}

decltype(config::OptionValue::value) default_of(const lsmtpd_option& option) {
  const std::string_view text(option.default_value);
  if (option.type == LSMTPD_TYPE_BOOL && (text == "true" || text == "false")) return text == "true";
  if (option.type == LSMTPD_TYPE_INT) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
  }
  // A list's default is its one item.
  if (option.type == LSMTPD_TYPE_LIST) return config::OptionValue::List{{std::string(text), {}}};
  return std::string(text);
}

bool is_default(const lsmtpd_option& option, const config::OptionValue& value) {
  const auto* list = std::get_if<config::OptionValue::List>(&value.value);
  const bool one_item = list && list->size() == 1 && option.type == LSMTPD_TYPE_LIST;
  const auto text = scalar_text(one_item ? (*list)[0] : value);
  if (!text) return false;
  // "1024KiB", 1048576 and "1MiB" are one size; 0 and "0s" are one duration.
  const bool is_size = option.type == LSMTPD_TYPE_SIZE;
  if (!is_size && option.type != LSMTPD_TYPE_DURATION) return *text == option.default_value;
  const auto parse = is_size ? parse_size : parse_duration;
  const auto given = parse(*text), usual = parse(option.default_value);
  return given && usual && *given == *usual;
}

std::string_view type_name(uint32_t type) {
  static constexpr std::string_view kNames[] = {"",     "string", "secret",   "bool",
                                                "int",  "size",   "duration", "enum",
                                                "path", "list",   "map",      "tables"};
  return type < std::size(kNames) ? kNames[type] : "unknown";
}

}  // namespace lsmtpd::plugin
