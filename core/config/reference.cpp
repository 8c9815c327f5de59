// SPDX-License-Identifier: Apache-2.0
#include "config/reference.hpp"

#include <algorithm>
#include <set>

#include "config/keys.hpp"

namespace lsmtpd::config {
namespace {

constexpr std::string_view kBegin = "keys: ", kEnd = "end of keys";

std::string_view type_text(const Key& key) {
  switch (key.type) {
    case Type::integer:
      return "number";
    case Type::size:
      return "size";
    case Type::duration:
      return "duration";
    case Type::texts:
      return "list of strings";
    case Type::networks:
      return "list of networks";
    case Type::servers:
      return "list of addresses";
    case Type::options:
      return "table";
    case Type::certificates:
      return "list of tables";
    case Type::truth:
      return "true or false";
    default:
      return "string";
  }
}

// "number, 1 to 1000": the type, and what is allowed of it.
std::string kind_text(const Key& key) {
  if (key.type == Type::word) return allowed_text(key);
  const std::string allowed = allowed_text(key);
  return fmt::format("{}{}{}", type_text(key), allowed.empty() ? "" : ", ", allowed);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// A cell holds any text but a bar.
std::string cell(std::string_view text) {
  return replaced(std::string(text), "|", "\\|");
}

std::string default_cell(const Key& key) {
  if (key.required) return "required";
  if (!key.computed.empty()) return std::string(key.computed);
  return fmt::format("`{}`", default_text(key));
}

std::string help_of(const Key& key) {
  return std::string(key.help) + (key.fixed ? " A change needs a restart." : "");
}

std::string markdown(const SectionInfo& section) {
  std::string out =
      fmt::format("\n{}\n\n| key | value | default | |\n| --- | --- | --- | --- |\n", section.help);
  for (const Key& key : keys_of(section.section)) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, cell(kind_text(key)),
                       cell(default_cell(key)), cell(help_of(key)));
  }
  return out + "\n";
}

// Escapes characters with a meaning of their own in roff: a backslash, a hyphen, and a dot that
// begins a line (our lines begin with letters).
std::string roff_text(std::string_view text) {
  return replaced(replaced(replaced(std::string(text), "\\", "\\e"), "-", "\\-"), "`", "");
}

std::string roff(const SectionInfo& section) {
  std::string out = fmt::format(".SS {}\n{}\n", roff_text(section.header), roff_text(section.help));
  for (const Key& key : keys_of(section.section)) {
    const std::string standard = key.required ? "required"
                                 : !key.computed.empty()
                                     ? fmt::format("default: {}", key.computed)
                                     : fmt::format("default: {}", default_text(key));
    out += fmt::format(".TP\n.B {}\n{}; {}.\n.br\n{}\n", roff_text(key.name),
                       roff_text(kind_text(key)), roff_text(standard), roff_text(help_of(key)));
  }
  return out;
}

const SectionInfo* find_section(std::string_view name) {
  const auto all = sections();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [name](const SectionInfo& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

Result<std::string> with_key_tables(const std::string& document) {
  const bool is_roff = document.starts_with(".");
  std::string out;
  std::set<std::string_view> missing;
  for (const SectionInfo& one : sections()) missing.insert(one.name);
  bool inside = false;
  for (size_t at = 0; at < document.size();) {
    const size_t end = std::min(document.find('\n', at), document.size() - 1) + 1;
    const std::string_view line = std::string_view(document).substr(at, end - at);
    at = end;
    const bool is_comment = line.starts_with(is_roff ? ".\\\"" : "<!--");
    if (is_comment && line.find(kEnd) != line.npos) inside = false;
    if (!inside) out += line;
    const size_t begin = line.find(kBegin);
    if (!is_comment || begin == line.npos) continue;
    const std::string_view rest = line.substr(begin + kBegin.size());
    const std::string_view name = rest.substr(0, rest.find_first_of(" \n"));
    const SectionInfo* section = find_section(name);
    if (!section || inside) return fail("\"keys: {}\" is not expected here", name);
    missing.erase(section->name);
    out += is_roff ? roff(*section) : markdown(*section);
    inside = true;
  }
  if (inside) return fail("\"{}\" is missing", kEnd);
  if (!missing.empty()) return fail("no \"keys: {}\"", *missing.begin());
  return out;
}

}  // namespace lsmtpd::config
