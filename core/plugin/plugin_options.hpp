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
#include "plugin/settings.hpp"

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

// The rest of the entry: what an Instance keeps of it.
Settings settings_of(const config::Plugin& entry);

}  // namespace lsmtpd::plugin
