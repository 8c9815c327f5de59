// SPDX-License-Identifier: Apache-2.0
// The options of one plugin entry: what the file says, checked against the plugin's own table.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "lsmtpd/options.h"

namespace lsmtpd::plugin {

class Options {
 public:
  // Checks `entry.options` against `table` (null: no options are allowed) and then with the
  // plugin's own validate(). What is wrong is appended to `diagnostics`. [main]
  static std::unique_ptr<Options> validate(const config::Plugin& entry,
                                           const lsmtpd_options_1* table,
                                           std::vector<config::Diagnostic>& diagnostics);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  const lsmtpd_config* abi() const { return &abi_; }
  // Nothing was wrong: a plugin may be given them.
  bool complete() const { return complete_; }

 private:
  struct Value {
    uint32_t type = 0;
    std::string text;
    int64_t number = 0;
    std::vector<std::pair<std::string, std::string>> items;
  };

  Options();
  void take_given(const config::Plugin& entry, std::span<const lsmtpd_option> table,
                  std::vector<config::Diagnostic>& diagnostics);
  void take_defaults(const config::Plugin& entry, std::span<const lsmtpd_option> table,
                     std::vector<config::Diagnostic>& diagnostics);
  bool set(const lsmtpd_option& option, const config::OptionValue& value, std::string& problem);
  bool set_text(const lsmtpd_option& option, const std::string& text, std::string& problem);
  bool set_number(const lsmtpd_option& option, int64_t number, std::string& problem);
  bool set_items(const lsmtpd_option& option, const config::OptionValue& value,
                 std::string& problem);
  const Value* find(const char* key, uint64_t types) const;

  std::map<std::string, Value, std::less<>> values_;
  lsmtpd_config abi_;
  bool complete_ = false;
};

// Collects what a plugin reports at validate() or start() as diagnostics at the option's place in
// the file.
class Report {
 public:
  Report(const config::Plugin& entry, std::vector<config::Diagnostic>& diagnostics);
  const lsmtpd_report* abi() const { return &abi_; }
  uint32_t errors() const { return errors_; }

 private:
  void add(bool warning, lsmtpd_str key, lsmtpd_str message);
  const config::Plugin& entry_;
  std::vector<config::Diagnostic>& diagnostics_;
  uint32_t errors_ = 0;
  lsmtpd_report abi_;
};

}  // namespace lsmtpd::plugin
