// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lsmtpd::config {
namespace {

template <class Named>
const Named* find(const std::vector<Named>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const Plugin* Config::plugin(std::string_view name) const {
  return find(plugins, name);
}
ListenerTls Config::default_tls() const {
  return tls.certificates.empty() ? ListenerTls::off : ListenerTls::starttls;
}
const Chain* Config::chain(std::string_view name) const {
  return find(chains, name);
}

std::vector<std::string> Chain::all_steps() const {
  std::vector<std::string> all = steps;
  for (const Route& route : routes) all.insert(all.end(), route.steps.begin(), route.steps.end());
  return all;
}

bool Loaded::ok() const {
  return std::all_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& diagnostic) { return diagnostic.warning; });
}

std::string format(const Diagnostic& diagnostic, const std::string& file) {
  std::string text = file;
  if (diagnostic.position.line != 0) {
    text += fmt::format(":{}:{}", diagnostic.position.line, diagnostic.position.column);
  }
  text += diagnostic.warning ? ": warning: " : ": error: ";
  text += diagnostic.message;
  if (!diagnostic.hint.empty()) text += fmt::format(" ({})", diagnostic.hint);
  return text;
}

void sort_by_position(std::vector<Diagnostic>& diagnostics) {
  const auto key = [](const Diagnostic& diagnostic) {
    const auto [line, column] = diagnostic.position;
    return std::pair(line == 0 ? std::numeric_limits<uint32_t>::max() : line, column);
  };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
}

}  // namespace lsmtpd::config
