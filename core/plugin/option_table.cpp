// SPDX-License-Identifier: Apache-2.0
#include "plugin/option_table.hpp"

#include <fmt/format.h>

#include <charconv>
#include <set>
#include <span>

#include "config/validate.hpp"

namespace lsmtpd::plugin {

std::string fault_of(const lsmtpd_options_1& table) {
  if (table.count > 0 && !table.options) return "it has no rows";
  std::set<std::string_view> keys;
  for (const auto& option : std::span(table.options, table.count)) {
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
  }
  return {};
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
  static constexpr std::string_view kNames[] = {
      "", "string", "secret", "bool", "int", "size", "duration", "enum", "path", "list", "map"};
  return type < std::size(kNames) ? kNames[type] : "unknown";
}

}  // namespace lsmtpd::plugin
