// SPDX-License-Identifier: Apache-2.0
#include "config/substitute.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"

namespace lsmtpd::config {
namespace {

constexpr std::string_view kCredential = "credential:";

bool is_variable(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), fits);
}

// As systemd has the names of credentials: a file's name, without a colon.
bool is_credential(std::string_view name) {
  const auto fits = [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':'; };
  return !name.empty() && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), fits);
}

Result<std::string> path_of_credential(std::string_view name) {
  if (!is_credential(name)) {
    return fail("{}{} does not name a credential", kCredential, escape_for_log(name));
  }
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (!directory || !*directory) {
    return fail("{}{} is of the service only: CREDENTIALS_DIRECTORY is not set", kCredential, name);
  }
  if (!is_utf8(directory)) return fail("CREDENTIALS_DIRECTORY is not valid UTF-8");
  return fmt::format("{}/{}", directory, name);
}

Result<std::string> value_of(const std::string& name) {
  if (!is_variable(name)) {
    return fail("${{{}}} does not name an environment variable: write $${{ for a literal ${{",
                escape_for_log(name));
  }
  const char* value = std::getenv(name.c_str());
  if (!value) return fail("the environment variable {} is not set", name);
  if (!is_utf8(value)) return fail("the environment variable {} is not valid UTF-8", name);
  return std::string(value);
}

void substitute_node(Node& node, std::vector<Diagnostic>& diagnostics) {
  if (auto* text = std::get_if<std::string>(&node.value)) {
    auto replaced = substitute(*text);
    if (replaced) {
      *text = std::move(*replaced);
    } else {
      node.broken = true;
      diagnostics.push_back({false, node.position, replaced.error().message, ""});
    }
  } else if (auto* list = std::get_if<Node::List>(&node.value)) {
    for (Node& item : *list) substitute_node(item, diagnostics);
  } else if (auto* table = std::get_if<Table>(&node.value)) {
    substitute(*table, diagnostics);
  }
}

}  // namespace

Result<std::string> substitute(std::string_view text) {
  if (text.starts_with(kCredential)) return path_of_credential(text.substr(kCredential.size()));
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.substr(i, 3) == "$${") {
      out += "${";
      i += 3;
    } else if (text.substr(i, 2) == "${") {
      const size_t end = text.find('}', i);
      if (end == std::string_view::npos) {
        return fail("${{ without }}: write $${{ for a literal ${{");
      }
      auto value = value_of(std::string(text.substr(i + 2, end - i - 2)));
      if (!value) return value;
      out += *value;
      i = end + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

void substitute(Table& table, std::vector<Diagnostic>& diagnostics) {
  for (Entry& entry : table.entries) substitute_node(entry.node, diagnostics);
}

std::string protect(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "${") out += '$';
    out += text[i];
  }
  return out;
}

}  // namespace lsmtpd::config
