// SPDX-License-Identifier: Apache-2.0
#include "app/migrate.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "app/exit_status.hpp"
#include "app/setup.hpp"
#include "app/version.hpp"
#include "base/text.hpp"

namespace lsmtpd::app {

namespace {

// RuntimeDirectory= and StateDirectory= of contrib/systemd/lsmtpd.service.
constexpr const char* kAdminSocket = "/run/lsmtpd/admin.sock";
constexpr const char* kStateDirectory = "/var/lib/lsmtpd";

constexpr std::string_view kBlanks = " \t\r";

bool is_variable(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == name.npos;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The value as it is written, without quotes and escapes.
Result<std::string> unquoted(std::string_view text) {
  std::string value;
  char quote = 0;
  size_t kept = 0;  // up to there blanks at the end belong to the value
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote && quote != 0) {
      quote = 0;
      kept = value.size();
    } else if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      const char next = text[++i];
      // Within double quotes only these are escaped.
      if (quote == '"' && std::string_view("\"\\`$").find(next) == std::string_view::npos)
        value += c;
      value += next;
      kept = value.size();
    } else {
      value += c;
      if (quote != 0 || kBlanks.find(c) == kBlanks.npos) kept = value.size();
    }
  }
  if (quote != 0) return fail("a quote is not closed");
  value.resize(kept);
  return value;
}

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail("cannot be opened");
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_environment_file(
    const std::string& text) {
  std::vector<std::pair<std::string, std::string>> variables;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t first = ++number;
    std::string line;
    for (bool continued = true; continued && at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      std::string_view part = std::string_view(text).substr(at, end - at);
      at = end + 1;
      continued = part.ends_with('\\');
      if (continued) {
        part.remove_suffix(1);
        if (at < text.size()) ++number;
      }
      line += part;
    }
    std::string_view rest = trimmed(line);
    if (rest.empty() || rest[0] == '#' || rest[0] == ';') continue;
    if (rest.starts_with("export ")) rest = trimmed(rest.substr(7));
    const size_t equals = rest.find('=');
    const std::string_view name = trimmed(rest.substr(0, equals));
    if (equals == rest.npos || !is_variable(name))
      return fail("line {}: this is no NAME=VALUE", first);
    auto value = unquoted(trimmed(rest.substr(equals + 1)));
    if (!value) return fail("line {}: {}: {}", first, name, value.error().message);
    variables.emplace_back(name, std::move(*value));
  }
  return variables;
}

int run_migrate(const MigrateOptions& options) {
  for (const auto& file : options.environment_files) {
    if (file.empty()) continue;  // the option without a file
    const auto text = read_file(file);
    const auto variables = text ? parse_environment_file(*text)
                                : Result<std::vector<std::pair<std::string, std::string>>>(
                                      tl::unexpected(text.error()));
    if (!variables) {
      std::fprintf(stderr, "lsmtpd: %s: %s\n", file.c_str(), variables.error().message.c_str());
      return kExitUsage;
    }
    for (const auto& [name, value] : *variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  auto loaded = config::from_environment(kDefaultConfig);
  show(loaded.diagnostics, loaded.config.file);
  if (!loaded.ok()) return kExitUsage;
  if (options.service) {
    loaded.config.server.state_directory = kStateDirectory;
    loaded.config.admin.socket = kAdminSocket;
  }
  const char* password = std::getenv("AMQP_PASSWORD");
  if (password && *password) {
    std::fprintf(
        stderr,
        "lsmtpd: the output holds the broker's password: let only root and the user of the "
        "daemon read it\n");
  }
  config::Printing how;
  how.only_changed = true;
  std::printf("%s", config::print(loaded.config, how).c_str());
  return kExitOk;
}

}  // namespace lsmtpd::app
