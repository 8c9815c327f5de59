// SPDX-License-Identifier: Apache-2.0
// TOML as the daemon loads and checks it, with the options of output_amqp checked as `check` does.
// For every file:
//   - either it is valid, or at least one error names a mistake; each diagnostic is one line of
//     printable text and points into the file;
//   - loading is repeatable;
//   - a valid file is printed as TOML that loads without an error and prints the same again.
#include <stdlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "amqp_option_table.hpp"
#include "amqp_options.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "fuzz_input.hpp"
#include "plugin/plugin_options.hpp"

namespace {

using namespace lsmtpd;

constexpr lsmtpd_options_1 kAmqpOptions = {
    amqp::kOptions, std::size(amqp::kOptions), sizeof(lsmtpd_option),
    [](const lsmtpd_config* given, const lsmtpd_report* report) {
      amqp::Options options;
      (void)amqp::parse_options(sdk::Config(given), sdk::Report(report), &options);
    }};

config::Loaded load(const std::string& text) {
  config::Loaded loaded = config::load_text(text, "f");
  for (const config::Plugin& plugin : loaded.config.plugins) {
    if (plugin.use == "output_amqp")
      (void)plugin::Options::validate(plugin, &kAmqpOptions, loaded.diagnostics);
  }
  return loaded;
}

void require_printable(const std::string& line) {
  fuzz::require(is_utf8(line));
  for (const char c : line) fuzz::require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

void require_inside(const config::Position& at, const std::string& text) {
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  fuzz::require(at.line <= lines && (at.line == 0 || at.column >= 1));
  fuzz::require(at.column <= text.size() + 1);
}

std::vector<std::string> shown(const config::Loaded& loaded) {
  std::vector<std::string> lines;
  for (const config::Diagnostic& one : loaded.diagnostics) lines.push_back(format(one, "f"));
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::setenv("WORD", "word", 1);
  ::setenv("ODD", "\"\\\n${WORD}\x1b", 1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const config::Loaded loaded = load(text);
  const auto lines = shown(loaded);
  for (const std::string& line : lines) require_printable(line);
  for (const config::Diagnostic& one : loaded.diagnostics) {
    fuzz::require(!one.message.empty());
    require_inside(one.position, text);
  }
  fuzz::require(shown(load(text)) == lines);
  if (!loaded.ok()) return 0;
  const std::string printed = config::print(loaded.config, {});
  const config::Loaded again = load(printed);
  fuzz::require(again.ok());
  fuzz::require(config::print(again.config, {}) == printed);
  return 0;
}
