// SPDX-License-Identifier: Apache-2.0
#include "plugin/report.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

Report::Report(const std::string& plugin, Add add) : plugin_(plugin), add_(std::move(add)) {
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
  if (!warning) ++errors_;
  const std::string where = key.size ? fmt::format("option {}: ", view(key)) : "";
  add_(warning, view(key),
       fmt::format("plugin.{}: {}{}", plugin_, where, escape_sentence(view(message))));
}

}  // namespace lsmtpd::plugin
