// SPDX-License-Identifier: Apache-2.0
// Collects what a plugin reports at validate() or start(). [main]
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lsmtpd/options.h"

namespace lsmtpd::plugin {

class Report {
 public:
  // `key` is the option that is meant, or empty; `message` is a whole sentence, safe for the log.
  using Add = std::function<void(bool warning, std::string_view key, std::string message)>;

  Report(const std::string& plugin, Add add);
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  const lsmtpd_report* abi() const { return &abi_; }
  uint32_t errors() const { return errors_; }

 private:
  void add(bool warning, lsmtpd_str key, lsmtpd_str message);

  const std::string& plugin_;
  Add add_;
  uint32_t errors_ = 0;
  lsmtpd_report abi_;
};

}  // namespace lsmtpd::plugin
