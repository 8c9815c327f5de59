// SPDX-License-Identifier: Apache-2.0
// The values of one table of options, and how they are read from the file.
#include "plugin/plugin_options.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "plugin/option_table.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

namespace {

// A type that this host does not know is in no set.
constexpr uint64_t bit(uint32_t type) {
  return type < 64 ? uint64_t{1} << type : 0;
}
constexpr uint64_t kTexts = bit(LSMTPD_TYPE_STRING) | bit(LSMTPD_TYPE_SECRET) |
                            bit(LSMTPD_TYPE_ENUM) | bit(LSMTPD_TYPE_PATH);
constexpr uint64_t kNumbers = bit(LSMTPD_TYPE_BOOL) | bit(LSMTPD_TYPE_INT) | bit(LSMTPD_TYPE_SIZE) |
                              bit(LSMTPD_TYPE_DURATION);
constexpr uint64_t kItems = bit(LSMTPD_TYPE_LIST) | bit(LSMTPD_TYPE_MAP);
constexpr uint64_t kTables = bit(LSMTPD_TYPE_TABLES);

std::string show(const lsmtpd_option& option, int64_t number) {
  if (option.type == LSMTPD_TYPE_SIZE) return format_size(static_cast<uint64_t>(number));
  if (option.type == LSMTPD_TYPE_DURATION) return format_duration(static_cast<uint64_t>(number));
  return std::to_string(number);
}

std::string_view allowed(const lsmtpd_option& option) {
  return option.allowed ? option.allowed : "";
}

std::string expected(const lsmtpd_option& option) {
  switch (option.type) {
    case LSMTPD_TYPE_BOOL:
      return "true or false";
    case LSMTPD_TYPE_INT:
      return "a number";
    case LSMTPD_TYPE_SIZE:
      return "a size like \"10MiB\"";
    case LSMTPD_TYPE_DURATION:
      return "a duration like \"30s\"";
    case LSMTPD_TYPE_ENUM:
      return fmt::format("one of: {}", allowed(option));
    case LSMTPD_TYPE_LIST:
      return "a list of strings";
    case LSMTPD_TYPE_MAP:
      return "a table of strings";
    case LSMTPD_TYPE_TABLES:
      return "a list of tables";
    default:
      return "a string";
  }
}

}  // namespace

OptionSet::OptionSet(std::vector<lsmtpd_option> rows) : rows_(std::move(rows)) {
  static const auto kSelf = [](const lsmtpd_config* c) { return static_cast<OptionSet*>(c->self); };
  abi_ = {.size = sizeof(lsmtpd_config),
          .reserved = 0,
          .self = this,
          .is_set = [](const lsmtpd_config* c, const char* key) -> uint32_t {
            return kSelf(c)->find(key, ~uint64_t{0}) != nullptr;
          },
          .string =
              [](const lsmtpd_config* c, const char* key) {
                const auto* v = kSelf(c)->find(key, kTexts);
                return v ? str(v->text) : lsmtpd_str{"", 0};
              },
          .integer = [](const lsmtpd_config* c, const char* key) -> int64_t {
            const auto* v = kSelf(c)->find(key, kNumbers);
            return v ? v->number : 0;
          },
          .count = [](const lsmtpd_config* c, const char* key) -> uint32_t {
            const auto* v = kSelf(c)->find(key, kItems | kTables);
            return v ? static_cast<uint32_t>(v->items.size() + v->tables.size()) : 0;
          },
          .item =
              [](const lsmtpd_config* c, const char* key, uint32_t i) {
                const auto* v = kSelf(c)->find(key, kItems);
                return v && i < v->items.size() ? str(v->items[i].second) : lsmtpd_str{"", 0};
              },
          .item_key =
              [](const lsmtpd_config* c, const char* key, uint32_t i) {
                const auto* v = kSelf(c)->find(key, kItems);
                return v && i < v->items.size() ? str(v->items[i].first) : lsmtpd_str{"", 0};
              },
          .table = [](const lsmtpd_config* c, const char* key, uint32_t i) -> const lsmtpd_config* {
            const auto* v = kSelf(c)->find(key, kTables);
            return v && i < v->tables.size() ? v->tables[i]->abi() : nullptr;
          }};
}

const OptionSet::Value* OptionSet::find(const char* key, uint64_t types) const {
  const auto found = values_.find(std::string_view(key));
  if (found == values_.end() || !(bit(found->second.type) & types)) return nullptr;
  return &found->second;
}

const lsmtpd_option* OptionSet::row(std::string_view key) const {
  const auto found =
      std::find_if(rows_.begin(), rows_.end(), [&](const auto& row) { return key == row.key; });
  return found == rows_.end() ? nullptr : &*found;
}

bool OptionSet::Value::operator==(const Value& other) const {
  return type == other.type && text == other.text && number == other.number &&
         items == other.items &&
         std::equal(tables.begin(), tables.end(), other.tables.begin(), other.tables.end(),
                    [](const auto& a, const auto& b) { return *a == *b; });
}

bool OptionSet::operator==(const OptionSet& other) const {
  return values_ == other.values_;
}

std::vector<std::string> OptionSet::different(const OptionSet& other) const {
  std::vector<std::string> keys;
  for (const auto& row : rows_) {
    const auto here = values_.find(std::string_view(row.key));
    const auto there = other.values_.find(std::string_view(row.key));
    const bool is_here = here != values_.end(), is_there = there != other.values_.end();
    if (is_here != is_there || (is_here && !(here->second == there->second)))
      keys.emplace_back(row.key);
  }
  return keys;
}

bool OptionSet::set_number(const lsmtpd_option& option, int64_t number, std::string& problem) {
  const bool ranged = option.minimum != 0 || option.maximum != 0;
  if (ranged && (number < option.minimum || number > option.maximum)) {
    problem = option.maximum == INT64_MAX
                  ? fmt::format("must be at least {}", show(option, option.minimum))
                  : fmt::format("must be from {} to {}", show(option, option.minimum),
                                show(option, option.maximum));
    return false;
  }
  values_[option.key] = {option.type, {}, number, {}, {}};
  return true;
}

bool OptionSet::set_text(const lsmtpd_option& option, const std::string& text,
                         std::string& problem) {
  if (bit(option.type) & (bit(LSMTPD_TYPE_SIZE) | bit(LSMTPD_TYPE_DURATION))) {
    const auto number = option.type == LSMTPD_TYPE_SIZE ? parse_size(text) : parse_duration(text);
    if (number && *number > INT64_MAX) {
      problem = "is too large";
      return false;
    }
    if (number) return set_number(option, static_cast<int64_t>(*number), problem);
    problem = fmt::format("must be {}: {}", expected(option), number.error().message);
    return false;
  }
  if (option.type == LSMTPD_TYPE_ENUM) {
    const auto padded = fmt::format(" {} ", allowed(option));
    if (text.empty() || text.find(' ') != std::string::npos ||
        padded.find(" " + text + " ") == std::string::npos) {
      problem = fmt::format("must be {}", expected(option));
      return false;
    }
  } else if (!(bit(option.type) & kTexts)) {
    problem = fmt::format("must be {}", expected(option));
    return false;
  }
  values_[option.key] = {option.type, text, 0, {}, {}};
  return true;
}

bool OptionSet::set_items(const lsmtpd_option& option, const config::OptionValue& value,
                          std::string& problem) {
  Value result{option.type, {}, 0, {}, {}};
  bool right = true;
  const auto add = [&](const std::string& key, const config::OptionValue& item) {
    const auto* text = std::get_if<std::string>(&item.value);
    right = right && text;
    if (text) result.items.emplace_back(key, *text);
  };
  if (const auto* list = std::get_if<config::OptionValue::List>(&value.value)) {
    right = option.type == LSMTPD_TYPE_LIST;
    for (const auto& item : *list) add({}, item);
  } else if (const auto* map = std::get_if<config::OptionValue::Map>(&value.value)) {
    right = option.type == LSMTPD_TYPE_MAP;
    for (const auto& [key, item] : *map) add(key, item);
  }
  if (!right) {
    problem = fmt::format("must be {}", expected(option));
    return false;
  }
  values_[option.key] = std::move(result);
  return true;
}

bool OptionSet::set_tables(const lsmtpd_option& option, const config::OptionValue& value,
                           std::string& problem, config::Position& at) {
  Value result{option.type, {}, 0, {}, {}};
  const auto add = [&](const config::OptionValue& item, const std::string& where) {
    const auto* map = std::get_if<config::OptionValue::Map>(&item.value);
    if (!map) {
      at = item.position;
      problem = fmt::format("{} must be a table", where);
      return false;
    }
    auto table = std::make_shared<OptionSet>(columns_of(option));
    if (!table->fill(*map, item.position, problem, at)) {
      problem = where + "." + problem;
      return false;
    }
    result.tables.push_back(std::move(table));
    return true;
  };
  if (const auto* list = std::get_if<config::OptionValue::List>(&value.value)) {
    for (size_t i = 0; i < list->size(); ++i)
      if (!add((*list)[i], fmt::format("[{}]", i))) return false;
  } else if (std::holds_alternative<config::OptionValue::Map>(value.value)) {
    if (!add(value, {})) return false;
  } else {
    problem = fmt::format("must be {}", expected(option));
    return false;
  }
  values_[option.key] = std::move(result);
  return true;
}

// One table of a list of tables: what was given, then defaults.
bool OptionSet::fill(const config::OptionValue::Map& given, const config::Position& position,
                     std::string& problem, config::Position& at) {
  for (const auto& [key, value] : given) {
    at = value.position;
    const lsmtpd_option* option = row(key);
    if (!option) {
      std::vector<std::string_view> keys;
      for (const auto& each : rows_) keys.emplace_back(each.key);
      problem =
          fmt::format("{} is unknown (allowed: {})", escape_for_log(key), fmt::join(keys, ", "));
      return false;
    }
    if (!set(*option, value, problem, at)) {
      problem = fmt::format("{} {}", key, problem);
      return false;
    }
  }
  at = position;
  for (const auto& option : rows_) {
    if (given.contains(option.key)) continue;
    if (option.default_value) {
      if (set(option, {default_of(option), {}}, problem, at)) continue;
      problem = fmt::format("{}: its own default {}", option.key, problem);
      return false;
    }
    if (option.required) {
      problem = fmt::format("{} is missing", option.key);
      return false;
    }
  }
  return true;
}

bool OptionSet::set(const lsmtpd_option& option, const config::OptionValue& value,
                    std::string& problem, config::Position& at) {
  if (option.type == LSMTPD_TYPE_TABLES) return set_tables(option, value, problem, at);
  const bool number_type = option.type == LSMTPD_TYPE_INT || option.type == LSMTPD_TYPE_SIZE;
  if (const auto* text = std::get_if<std::string>(&value.value))
    return set_text(option, *text, problem);
  if (const auto* flag = std::get_if<bool>(&value.value); flag && option.type == LSMTPD_TYPE_BOOL) {
    return set_number(option, *flag, problem);
  }
  if (const auto* number = std::get_if<int64_t>(&value.value);
      number && (number_type || *number == 0)) {
    if (number_type && option.type == LSMTPD_TYPE_SIZE && *number < 0) {
      problem = "must not be negative";
      return false;
    }
    if (number_type || option.type == LSMTPD_TYPE_DURATION)
      return set_number(option, *number, problem);
  }
  if (value.value.index() >= 4) return set_items(option, value, problem);
  problem = fmt::format("must be {}", expected(option));
  return false;
}

}  // namespace lsmtpd::plugin
