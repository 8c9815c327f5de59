// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/host.hpp"
#include "config/keys.hpp"

namespace lsmtpd::config {
namespace {

const std::string kHidden = "\"***\"";

std::string key_text(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(key) : basic_string(key);
}

std::string real(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  const std::string text = fmt::format("{}", number);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string value_text(const OptionValue& option);

struct ValueText {
  std::string operator()(const std::string& text) const { return quoted(text); }
  std::string operator()(bool truth) const { return truth ? "true" : "false"; }
  std::string operator()(int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return real(number); }
  std::string operator()(const OptionValue::List& list) const {
    std::string out = "[";
    for (const OptionValue& item : list) out += (out.size() > 1 ? ", " : "") + value_text(item);
    return out + "]";
  }
  std::string operator()(const OptionValue::Map& map) const {
    std::string out = "{";
    for (const auto& [key, item] : map) {
      out += fmt::format("{} {} = {}", out.size() > 1 ? "," : "", key_text(key), value_text(item));
    }
    return out + (map.empty() ? "}" : " }");
  }
};

std::string value_text(const OptionValue& option) {
  return std::visit(ValueText{}, option.value);
}

class Printer {
 public:
  explicit Printer(const Printing& how) : how_(how) {}

  std::string print(const Config& config) &&;

 private:
  // Its header, and the keys; `number` counts the sections of the kind.
  void section(Section section, const void* values, const std::string& header, size_t number = 0);
  void options(const Plugin& plugin);
  bool is_secret(const std::string& name) const;
  std::string option_text(const std::string& name, const OptionValue& option) const;
  bool is_default(const Key& key, const Value& value, size_t number) const;

  const Printing& how_;
  const Config* config_ = nullptr;
  std::string out_;
};

std::string Printer::print(const Config& config) && {
  out_ = fmt::format("# {} configuration of {}\n",
                     how_.only_changed ? "changes from the defaults in the" : "the effective",
                     escape_for_log(config.file));
  config_ = &config;
  section(Section::server, &config.server, "[server]");
  section(Section::tls, &config.tls, "[tls]");
  size_t number = 0;
  for (const Listener& one : config.listeners)
    section(Section::listener, &one, "[[listener]]", ++number);
  section(Section::limits, &config.limits, "[limits]");
  section(Section::timeouts, &config.timeouts, "[timeouts]");
  section(Section::log, &config.log, "[log]");
  section(Section::admin, &config.admin, "[admin]");
  for (const Plugin& one : config.plugins) {
    section(Section::plugin, &one, fmt::format("[plugin.{}]", key_text(one.name)));
    options(one);
  }
  for (const Chain& one : config.chains) {
    section(Section::chain, &one, fmt::format("[chain.{}]", key_text(one.name)));
    number = 0;
    for (const Route& route : one.routes)
      section(Section::route, &route, fmt::format("[[chain.{}.route]]", key_text(one.name)),
              ++number);
  }
  return std::move(out_);
}

void Printer::section(Section section, const void* values, const std::string& header,
                      size_t number) {
  std::string lines;
  for (const Key& key : keys_of(section)) {
    if (key.type == Type::options) continue;
    const Value value = key.get(values);
    if (how_.only_changed && is_default(key, value, number)) continue;
    lines += fmt::format("{} = {}\n", key.name, toml_text(key, value));
  }
  if (!lines.empty()) out_ += fmt::format("\n{}\n{}", header, lines);
}

bool Printer::is_default(const Key& key, const Value& value, size_t number) const {
  if (key.required) return false;
  if (key.type == Type::hostname) return value == Value(machine_name());
  if (key.type == Type::name)
    return value == Value(fmt::format("{}-{}", info(key.section).name, number));
  if (key.section == Section::listener && !key.computed.empty()) {
    Listener usual;
    usual.tls = config_->default_tls();
    usual.client_certificate = config_->tls.client_certificate;
    return value == key.get(&usual);
  }
  const auto given = toml_text(key, value);
  if (key.type != Type::size && key.type != Type::duration) return given == default_text(key);
  return value == *parse_value(key, key.default_value);
}

bool Printer::is_secret(const std::string& name) const {
  return std::find(how_.secrets.begin(), how_.secrets.end(), name) != how_.secrets.end();
}

// `name` as in Printing::secrets. Columns of tables may be secret on their own.
std::string Printer::option_text(const std::string& name, const OptionValue& option) const {
  if (is_secret(name)) return std::string(kHidden);
  OptionValue shown = option;
  const auto hide = [&](OptionValue& item) {
    auto* table = std::get_if<OptionValue::Map>(&item.value);
    if (!table) return;
    for (auto& [column, value] : *table) {
      if (is_secret(fmt::format("{}[].{}", name, column))) value = {std::string("***"), {}};
    }
  };
  hide(shown);
  if (auto* list = std::get_if<OptionValue::List>(&shown.value))
    std::for_each(list->begin(), list->end(), hide);
  return value_text(shown);
}

void Printer::options(const Plugin& plugin) {
  std::string lines;
  for (const auto& [key, option] : plugin.options) {
    lines +=
        fmt::format("{} = {}\n", key_text(key), option_text(plugin.name + "." + key, option.value));
  }
  for (const std::string& name : how_.unset) {
    if (how_.only_changed || !name.starts_with(plugin.name + ".")) continue;
    lines += fmt::format("# {} is not set\n", name.substr(plugin.name.size() + 1));
  }
  if (!lines.empty())
    out_ += fmt::format("\n[plugin.{}.options]\n{}", key_text(plugin.name), lines);
}

}  // namespace

std::string print(const Config& config, const Printing& how) {
  return Printer(how).print(config);
}

}  // namespace lsmtpd::config
