#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/host.hpp"
#include "config/names.hpp"
#include "config/substitute.hpp"

namespace lsmtpd::config {
namespace {

constexpr std::string_view hidden = "\"***\"";

std::string basic_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

// A value that loads to `text` again. Keys have no `${NAME}` to keep from being replaced.
std::string quoted(std::string_view text) {
  return basic_string(protect(text));
}

std::string key_text(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(key) : basic_string(key);
}

std::string size(uint64_t bytes) {
  return quoted(format_size(bytes));
}
std::string duration(uint64_t milliseconds) {
  return quoted(format_duration(milliseconds));
}

std::string strings(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + quoted(text);
  return out + "]";
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
  explicit Printer(const std::vector<std::string>& secrets) : secrets_(secrets) {}

  std::string print(const Config& config) &&;

 private:
  void section(const std::string& header) { out_ += fmt::format("\n{}\n", header); }
  template <class Value>
  void line(std::string_view key, const Value& value) {
    out_ += fmt::format("{} = {}\n", key_text(key), value);
  }
  void server(const Server& server);
  void listener(const Listener& listener);
  void limits(const Limits& limits);
  void timeouts(const Timeouts& timeouts);
  void log(const Log& log);
  void plugin(const Plugin& plugin);
  bool is_secret(const std::string& plugin, const std::string& key) const;

  const std::vector<std::string>& secrets_;
  std::string out_;
};

std::string Printer::print(const Config& config) && {
  out_ = "# the effective configuration of " + escape_for_log(config.file) + "\n";
  server(config.server);
  for (const Listener& one : config.listeners) listener(one);
  limits(config.limits);
  timeouts(config.timeouts);
  log(config.log);
  for (const Plugin& one : config.plugins) plugin(one);
  for (const Chain& chain : config.chains) {
    section(fmt::format("[chain.{}]", key_text(chain.name)));
    line("steps", strings(chain.steps));
  }
  return std::move(out_);
}

void Printer::server(const Server& server) {
  section("[server]");
  line("hostname", quoted(server.hostname));
  line("workers", server.workers);
  line("user", quoted(server.user));
  line("plugin_path", strings(server.plugin_path));
}

void Printer::listener(const Listener& listener) {
  section("[[listener]]");
  line("name", quoted(listener.name));
  line("address", quoted(format_address(listener.host, listener.port)));
  line("protocol", quoted(name_of(protocol_names, listener.protocol)));
  line("bare_lf", quoted(name_of(bare_lf_names, listener.bare_lf)));
  line("chain", quoted(listener.chain));
  line("greet_delay", duration(listener.greet_delay));
}

void Printer::limits(const Limits& limits) {
  section("[limits]");
  line("message_size", size(limits.message_size));
  line("recipients", limits.recipients);
  line("connections", limits.connections);
  line("connections_per_peer", limits.connections_per_peer);
  line("peer_prefix_v4", limits.peer_prefix_v4);
  line("peer_prefix_v6", limits.peer_prefix_v6);
  line("commands", limits.commands);
  line("errors", limits.errors);
  line("memory", size(limits.memory));
  line("spill", size(limits.spill));
  line("spill_directory", quoted(limits.spill_directory));
  line("unread_replies", size(limits.unread_replies));
  line("data_rate", size(limits.data_rate));
}

void Printer::timeouts(const Timeouts& timeouts) {
  section("[timeouts]");
  line("command", duration(timeouts.command));
  line("data_idle", duration(timeouts.data_idle));
  line("session", duration(timeouts.session));
  line("chain", duration(timeouts.chain));
  line("drain", duration(timeouts.drain));
}

void Printer::log(const Log& log) {
  section("[log]");
  line("level", quoted(log.level));
  line("format", quoted(log.format));
  line("file", quoted(log.file));
}

void Printer::plugin(const Plugin& plugin) {
  const std::string name = key_text(plugin.name);
  section(fmt::format("[plugin.{}]", name));
  line("use", quoted(plugin.use));
  line("deadline", duration(plugin.deadline));
  line("on_timeout", quoted(name_of(on_failure_names, plugin.on_timeout)));
  line("on_error", quoted(name_of(on_failure_names, plugin.on_error)));
  if (!plugin.fallback.empty()) line("fallback", quoted(plugin.fallback));
  if (plugin.options.empty()) return;
  section(fmt::format("[plugin.{}.options]", name));
  for (const auto& [key, option] : plugin.options) {
    line(key, is_secret(plugin.name, key) ? std::string(hidden) : value_text(option.value));
  }
}

bool Printer::is_secret(const std::string& plugin, const std::string& key) const {
  return std::find(secrets_.begin(), secrets_.end(), plugin + "." + key) != secrets_.end();
}

}  // namespace

std::string print(const Config& config, const std::vector<std::string>& secrets) {
  return Printer(secrets).print(config);
}

}  // namespace lsmtpd::config
