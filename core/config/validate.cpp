// SPDX-License-Identifier: Apache-2.0
#include "config/validate.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/host.hpp"

namespace lsmtpd::config {
namespace {

void check_admin(const Config& config, Diagnostics& diagnostics) {
  const Admin& admin = config.admin;
  if (admin.mode.empty() || admin.mode.size() > 4 ||
      admin.mode.find_first_not_of("01234567") != admin.mode.npos) {
    add_error(
        diagnostics, admin.given["mode"],
        fmt::format("admin.mode is \"{}\", which is no mode of a file", escape_for_log(admin.mode)),
        "octal digits, such as \"0660\"");
  }
  if (!admin.http.empty()) {
    if (const auto address = parse_address(admin.http); !address) {
      add_error(diagnostics, admin.given["http"],
                fmt::format("admin.http is \"{}\": {}", escape_for_log(admin.http),
                            address.error().message),
                "HOST:PORT, such as \"127.0.0.1:9925\"");
    }
  }
  if (!admin.token_file.empty() && admin.http.empty())
    add_warning(diagnostics, admin.given["token_file"],
                "admin.token_file has no effect without admin.http");
}

}  // namespace

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
}

std::string missing_plugin_hint(const Config& config, const std::string& name) {
  std::string hint = did_you_mean(name, names(config.plugins));
  if (hint.empty() && is_name(name)) hint = fmt::format("add [plugin.{}]", name);
  return hint;
}

void check(const Config& config, Diagnostics& diagnostics) {
  check_listeners(config, diagnostics);
  check_chains(config, diagnostics);
  check_limits(config, diagnostics);
  check_admin(config, diagnostics);
}

}  // namespace lsmtpd::config
