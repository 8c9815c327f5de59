// SPDX-License-Identifier: Apache-2.0
#include "app/try_options.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "plugin/option_table.hpp"

namespace lsmtpd::app {

namespace {

// A value as the type in the plugin's table would have it in TOML; commas in lists.
decltype(config::OptionValue::value) typed(uint32_t type, const std::string& value) {
  int64_t number = 0;
  if (type == LSMTPD_TYPE_BOOL && (value == "true" || value == "false")) return value == "true";
  if (type == LSMTPD_TYPE_INT &&
      std::from_chars(value.data(), value.data() + value.size(), number).ptr ==
          value.data() + value.size()) {
    return number;
  }
  if (type != LSMTPD_TYPE_LIST) return value;
  config::OptionValue::List list;
  for (size_t at = 0; at <= value.size();) {
    const size_t comma = std::min(value.find(',', at), value.size());
    list.push_back({value.substr(at, comma - at), {}});
    at = comma + 1;
  }
  return list;
}

const lsmtpd_option* row_of(const std::vector<lsmtpd_option>& rows, const std::string& key) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return key == row.key; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

void set_option(config::Plugin& entry, const lsmtpd_options_1* table, const std::string& given) {
  constexpr size_t kMostTables = 1000;
  const size_t equals = given.find('=');
  std::string key = given.substr(0, equals), item;
  const std::string value = equals == std::string::npos ? "true" : given.substr(equals + 1);
  if (const size_t dot = key.find('.'); dot != std::string::npos) {
    item = key.substr(dot + 1);
    key.resize(dot);
  }
  size_t index = 0;
  if (const size_t bracket = key.find('['); bracket != std::string::npos) {
    std::from_chars(key.data() + bracket + 1, key.data() + key.size(), index);
    key.resize(bracket);
  }
  const auto rows = plugin::rows_of(table);
  const lsmtpd_option* row = row_of(rows, key);
  const uint32_t type = row ? row->type : LSMTPD_TYPE_STRING;
  auto& slot = entry.options[key].value.value;
  if (type == LSMTPD_TYPE_TABLES && index < kMostTables) {
    if (!std::holds_alternative<config::OptionValue::List>(slot))
      slot = config::OptionValue::List();
    auto& list = std::get<config::OptionValue::List>(slot);
    // In two steps: GCC 12 takes the moved temporary for uninitialized.
    while (list.size() <= index) list.emplace_back().value.emplace<config::OptionValue::Map>();
    const auto columns = plugin::columns_of(*row);
    const lsmtpd_option* column = row_of(columns, item);
    std::get<config::OptionValue::Map>(list[index].value)[item] = {
        typed(column ? column->type : LSMTPD_TYPE_STRING, value), {}};
  } else if (type == LSMTPD_TYPE_MAP) {
    if (!std::holds_alternative<config::OptionValue::Map>(slot)) slot = config::OptionValue::Map();
    std::get<config::OptionValue::Map>(slot)[item] = {value, {}};
  } else {
    slot = typed(type, value);
  }
}

}  // namespace lsmtpd::app
