// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_options.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "plugin/option_table.hpp"
#include "plugin/thrown.hpp"
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
    default:
      return "a string";
  }
}

}  // namespace

Options::Options() {
  static const auto self = [](const lsmtpd_config* c) { return static_cast<Options*>(c->self); };
  abi_ = {.self = this,
          .is_set = [](const lsmtpd_config* c, const char* key) -> uint32_t {
            return self(c)->find(key, ~uint64_t{0}) != nullptr;
          },
          .string =
              [](const lsmtpd_config* c, const char* key) {
                const auto* v = self(c)->find(key, kTexts);
                return v ? str(v->text) : lsmtpd_str{"", 0};
              },
          .integer = [](const lsmtpd_config* c, const char* key) -> int64_t {
            const auto* v = self(c)->find(key, kNumbers);
            return v ? v->number : 0;
          },
          .count =
              [](const lsmtpd_config* c, const char* key) {
                const auto* v = self(c)->find(key, kItems);
                return v ? static_cast<uint32_t>(v->items.size()) : 0;
              },
          .item =
              [](const lsmtpd_config* c, const char* key, uint32_t i) {
                const auto* v = self(c)->find(key, kItems);
                return v && i < v->items.size() ? str(v->items[i].second) : lsmtpd_str{"", 0};
              },
          .item_key =
              [](const lsmtpd_config* c, const char* key, uint32_t i) {
                const auto* v = self(c)->find(key, kItems);
                return v && i < v->items.size() ? str(v->items[i].first) : lsmtpd_str{"", 0};
              }};
}

const Options::Value* Options::find(const char* key, uint64_t types) const {
  const auto found = values_.find(std::string_view(key));
  if (found == values_.end() || !(bit(found->second.type) & types)) return nullptr;
  return &found->second;
}

bool Options::set_number(const lsmtpd_option& option, int64_t number, std::string& problem) {
  const bool ranged = option.minimum != 0 || option.maximum != 0;
  if (ranged && (number < option.minimum || number > option.maximum)) {
    problem = option.maximum == INT64_MAX
                  ? fmt::format("must be at least {}", show(option, option.minimum))
                  : fmt::format("must be from {} to {}", show(option, option.minimum),
                                show(option, option.maximum));
    return false;
  }
  values_[option.key] = {option.type, {}, number, {}};
  return true;
}

bool Options::set_text(const lsmtpd_option& option, const std::string& text, std::string& problem) {
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
  values_[option.key] = {option.type, text, 0, {}};
  return true;
}

bool Options::set_items(const lsmtpd_option& option, const config::OptionValue& value,
                        std::string& problem) {
  Value result{option.type, {}, 0, {}};
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

bool Options::set(const lsmtpd_option& option, const config::OptionValue& value,
                  std::string& problem) {
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

void Options::take_given(const config::Plugin& entry, std::span<const lsmtpd_option> table,
                         std::vector<config::Diagnostic>& diagnostics) {
  std::vector<std::string_view> keys;
  for (const auto& option : table) keys.emplace_back(option.key);
  for (const auto& [key, given] : entry.options) {
    if (given.broken) complete_ = false;
    const auto option = std::find_if(table.begin(), table.end(),
                                     [&, k = key](const auto& o) { return k == o.key; });
    if (option == table.end()) {
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
    if (!given.broken && !set(*option, given.value, problem)) {
      diagnostics.push_back({false,
                             given.value.position,
                             fmt::format("plugin.{}: option {} {}", entry.name, key, problem),
                             {}});
    }
  }
}

void Options::take_defaults(const config::Plugin& entry, std::span<const lsmtpd_option> table,
                            std::vector<config::Diagnostic>& diagnostics) {
  for (const auto& option : table) {
    if (entry.options.contains(option.key)) continue;
    std::string problem;
    if (option.default_value) {
      if (!set(option, {default_of(option), {}}, problem)) {
        diagnostics.push_back(
            {false, entry.use_position,
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

std::unique_ptr<Options> Options::validate(const config::Plugin& entry,
                                           const lsmtpd_options_1* table,
                                           std::vector<config::Diagnostic>& diagnostics) {
  std::unique_ptr<Options> options(new Options);
  const std::span<const lsmtpd_option> known(table ? table->options : nullptr,
                                             table ? table->count : 0);
  const size_t before = diagnostics.size();
  options->complete_ = true;
  options->take_given(entry, known, diagnostics);
  options->take_defaults(entry, known, diagnostics);
  if (diagnostics.size() != before) options->complete_ = false;
  if (options->complete_ && table && table->validate) {
    Report report(entry, diagnostics);
    try {
      table->validate(options->abi(), report.abi());
      options->complete_ = report.errors() == 0;
    } catch (...) {
      options->complete_ = false;
      diagnostics.push_back(
          {false,
           entry.use_position,
           fmt::format("plugin.{}: the options could not be checked: {}", entry.name, thrown()),
           {}});
    }
  }
  return options;
}

Report::Report(const config::Plugin& entry, std::vector<config::Diagnostic>& diagnostics)
    : entry_(entry), diagnostics_(diagnostics) {
  abi_ = {
      .self = this,
      .error = [](const lsmtpd_report* r, lsmtpd_str key,
                  lsmtpd_str message) { static_cast<Report*>(r->self)->add(false, key, message); },
      .warning =
          [](const lsmtpd_report* r, lsmtpd_str key, lsmtpd_str message) {
            static_cast<Report*>(r->self)->add(true, key, message);
          }};
}

void Report::add(bool warning, lsmtpd_str key, lsmtpd_str message) {
  config::Position at = entry_.position;
  if (const auto found = entry_.options.find(std::string(view(key)));
      found != entry_.options.end()) {
    at = found->second.value.position;
  }
  if (!warning) ++errors_;
  const std::string where = key.size ? fmt::format("option {}: ", view(key)) : "";
  diagnostics_.push_back(
      {warning,
       at,
       fmt::format("plugin.{}: {}{}", entry_.name, where, escape_sentence(view(message))),
       {}});
}

}  // namespace lsmtpd::plugin
