#include "plugin/option_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <set>

#include "config/validate.hpp"

namespace lsmtpd::plugin {

namespace {

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

std::string_view type_name(uint32_t type) {
  static constexpr std::string_view kNames[] = {"",     "string", "secret",   "bool",
                                                "int",  "size",   "duration", "enum",
                                                "path", "list",   "map",      "tables"};
  return type < std::size(kNames) ? kNames[type] : "unknown";
}

}  // namespace lsmtpd::plugin
