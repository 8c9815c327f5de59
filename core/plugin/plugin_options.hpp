// SPDX-License-Identifier: Apache-2.0
// The options of one plugin entry: what the file says, checked against the plugin's own table.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "lsmtpd/options.h"
#include "plugin/instance_settings.hpp"

namespace lsmtpd::plugin {

// The values of one table: the options themselves, or one table of a list of tables.
class OptionSet {
 public:
  explicit OptionSet(std::vector<lsmtpd_option> rows);
  OptionSet(const OptionSet&) = delete;
  OptionSet& operator=(const OptionSet&) = delete;

  const lsmtpd_config* abi() const { return &abi_; }
  const std::vector<lsmtpd_option>& rows() const { return rows_; }
  const lsmtpd_option* row(std::string_view key) const;

  // False: `problem` says what is wrong, and `at` where, if it is inside the value.
  bool set(const lsmtpd_option& option, const config::OptionValue& value, std::string& problem,
           config::Position& at);
  bool operator==(const OptionSet& other) const;
  // Keys whose values are not the same in `other`, which has the same rows.
  std::vector<std::string> different(const OptionSet& other) const;

 private:
  struct Value {
    uint32_t type = 0;
    std::string text;
    int64_t number = 0;
    std::vector<std::pair<std::string, std::string>> items;
    std::vector<std::shared_ptr<OptionSet>> tables;
    bool operator==(const Value& other) const;
  };

  bool set_text(const lsmtpd_option& option, const std::string& text, std::string& problem);
  bool set_number(const lsmtpd_option& option, int64_t number, std::string& problem);
  bool set_items(const lsmtpd_option& option, const config::OptionValue& value,
                 std::string& problem);
  bool set_tables(const lsmtpd_option& option, const config::OptionValue& value,
                  std::string& problem, config::Position& at);
  bool fill(const config::OptionValue::Map& given, const config::Position& position,
            std::string& problem, config::Position& at);
  const Value* find(const char* key, uint64_t types) const;

  std::vector<lsmtpd_option> rows_;
  std::map<std::string, Value, std::less<>> values_;
  lsmtpd_config abi_;
};

class Options {
 public:
  // Checks `entry.options` against `table` (null: no options are allowed) and then with the
  // plugin's own validate(). Appends each fault to `diagnostics`. [main]
  static std::unique_ptr<Options> validate(const config::Plugin& entry,
                                           const lsmtpd_options_1* table,
                                           std::vector<config::Diagnostic>& diagnostics);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  const lsmtpd_config* abi() const { return values_.abi(); }
  // Nothing was wrong: a plugin may be given them.
  bool complete() const { return complete_; }
  // Keys whose values are not the same in `other`, of the same plugin.
  std::vector<std::string> different(const Options& other) const {
    return values_.different(other.values_);
  }

 private:
  explicit Options(const lsmtpd_options_1* table);
  void take_given(const config::Plugin& entry, std::vector<config::Diagnostic>& diagnostics);
  void take_defaults(const config::Plugin& entry, std::vector<config::Diagnostic>& diagnostics);

  OptionSet values_;
  bool complete_ = false;
};

// The rest of the entry: what an Instance keeps of it.
Settings settings_of(const config::Plugin& entry);

}  // namespace lsmtpd::plugin
