// SPDX-License-Identifier: Apache-2.0
// LSMTPD's variables, as a drop-in replacement finds them in its unit's EnvironmentFile. A variable
// that is empty counts as not set, as it did there.

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "base/text.hpp"
#include "config/host.hpp"
#include "config/validate.hpp"

namespace lsmtpd::config {
namespace {

constexpr std::string_view spool_directory = "/var/spool/lsmtpd";
constexpr uint64_t amqps_port = 5671;

// RUST_LOG is not among them: it may be set for anything written in Rust.
constexpr std::string_view variables[] = {
    "SERVER_NAME",      "BIND_ADDRESS",    "BIND_PORT",  "MAX_EMAIL_SIZE_BYTES",
    "MAX_TIMEOUT_SECS", "TEMP_EMAIL_DIR",  "AMQP_HOST",  "AMQP_PORT",
    "AMQP_USERNAME",    "AMQP_PASSWORD",   "AMQP_VHOST", "AMQP_EXCHANGE",
    "AMQP_ROUTING_KEY", "AMQP_BUFFER_SIZE"};

// The deliveries in flight that its package set, 10, would throttle every broker.
constexpr uint64_t least_in_flight = 100;
constexpr uint64_t most_in_flight = 100'000;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// LSMTPD pasted user, password and vhost into a URI. A value in which each % begins an escape was
// written for that; any other is meant as it stands.
std::string percent_decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return text;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return is_utf8(out) && out.find('\0') == std::string::npos ? out : text;
}

class Environment {
 public:
  explicit Environment(Loaded& loaded) : config_(loaded.config), errors_(loaded.diagnostics) {}

  void run(const std::string& default_file);

 private:
  std::string text(const char* name);
  uint64_t number(const char* name, uint64_t absent, uint64_t least, uint64_t most);
  void error(std::string_view name, std::string_view problem, std::string hint = {});

  void server();
  void listener();
  void log_level();
  void size_filter();
  void spool();
  void broker();
  void broker_target(Plugin& broker);
  Plugin& add_plugin(std::string name, std::string use);
  void add_decoded(Plugin& plugin, const char* key, const char* variable);

  Config& config_;
  Diagnostics& errors_;
};

void set(Plugin& plugin, const std::string& key, decltype(OptionValue::value) value) {
  plugin.options[key] = Option{OptionValue{std::move(value), {}}, {}};
}

void Environment::error(std::string_view name, std::string_view problem, std::string hint) {
  add_error(errors_, {}, fmt::format("{} {}", name, problem), std::move(hint));
}

std::string Environment::text(const char* name) {
  const char* value = std::getenv(name);
  if (!value) return {};
  if (is_utf8(value)) return value;
  error(name, "is not valid UTF-8");
  return {};
}

uint64_t Environment::number(const char* name, uint64_t absent, uint64_t least, uint64_t most) {
  const std::string given = text(name);
  if (given.empty()) return absent;
  uint64_t value = 0;
  const char* end = given.data() + given.size();
  const auto [rest, problem] = std::from_chars(given.data(), end, value);
  if (problem == std::errc{} && rest == end && value >= least && value <= most) return value;
  error(name, fmt::format("is \"{}\"; allowed: {} to {}", escape_for_log(given), least, most));
  return absent;
}

void Environment::run(const std::string& default_file) {
  const bool any = std::any_of(std::begin(variables), std::end(variables), [](auto name) {
    const char* value = std::getenv(std::string(name).c_str());
    return value && *value;
  });
  if (!any) {
    add_error(errors_, {}, "there is no configuration file, and none of LSMTPD's variables is set",
              fmt::format("write {}, or name a file with --config", default_file));
    return;
  }
  server();
  listener();
  log_level();
  size_filter();
  const bool to_broker = !text("AMQP_HOST").empty();
  if (to_broker) broker();
  spool();
  config_.chains.push_back({"default", {"size", to_broker ? "broker" : "spool"}, {}, {}});
  check(config_, errors_);
}

void Environment::server() {
  std::string& hostname = config_.server.hostname;
  hostname = text("SERVER_NAME");
  if (hostname.empty()) {
    hostname = machine_name();
  } else if (!is_hostname(hostname)) {
    error("SERVER_NAME", fmt::format("is \"{}\", which is neither a domain nor an address literal",
                                     escape_for_log(hostname)));
  }
  constexpr uint64_t most = 30ull * 24 * 3600;
  config_.timeouts.session = 1000 * number("MAX_TIMEOUT_SECS", 0, 0, most);
}

void Environment::listener() {
  Listener listener;
  listener.name = "smtp";
  const auto port = static_cast<uint16_t>(number("BIND_PORT", 25, 0, 65535));
  std::string host = text("BIND_ADDRESS");
  if (host.empty()) host = "0.0.0.0";
  const bool bracketed = host.starts_with('[');
  const auto address =
      parse_address(bracketed ? fmt::format("{}:{}", host, port) : format_address(host, port));
  if (address) {
    listener.host = address->host;
    listener.port = port;
  } else {
    error("BIND_ADDRESS",
          fmt::format("is \"{}\": {}", escape_for_log(host), address.error().message));
  }
  config_.listeners.push_back(std::move(listener));
}

// env_logger's syntax: "info", "lsmtpd=debug", "warn,lsmtpd::smtp=trace". What names this program
// goes before what names none; directives for others say nothing to us.
void Environment::log_level() {
  const std::string given = text("RUST_LOG");
  std::string general, ours;
  std::string_view rest = std::string_view(given).substr(0, given.find('/'));
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string directive = to_upper(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    std::erase(directive, ' ');
    const size_t equals = directive.find('=');
    const std::string target = equals == std::string::npos ? "" : directive.substr(0, equals);
    const std::string word = directive.substr(equals == std::string::npos ? 0 : equals + 1);
    for (const std::string_view level : level_names) {
      if (!equals_ignoring_case(word, level)) continue;
      if (target.empty()) general = level;
      if (target == "LSMTPD") ours = level;
    }
    if (directive == "LSMTPD") ours = "trace";  // a target alone means everything
  }
  if (!ours.empty() || !general.empty()) config_.log.level = ours.empty() ? general : ours;
}

Plugin& Environment::add_plugin(std::string name, std::string use) {
  Plugin& plugin = config_.plugins.emplace_back();
  plugin.name = std::move(name);
  plugin.use = std::move(use);
  return plugin;
}

void Environment::size_filter() {
  Limits& limits = config_.limits;
  constexpr uint64_t most = std::numeric_limits<int64_t>::max();
  limits.message_size = number("MAX_EMAIL_SIZE_BYTES", limits.message_size, 1, most);
  set(add_plugin("size", "filter_size"), "max", format_size(limits.message_size));
}

void Environment::spool() {
  std::string directory = text("TEMP_EMAIL_DIR");
  // Not LSMTPD's own default, which is below /tmp: what is spooled must outlive a restart.
  if (directory.empty()) directory = spool_directory;
  set(add_plugin("spool", "output_json_spool"), "directory", std::move(directory));
}

void Environment::broker() {
  const std::string host = text("AMQP_HOST");
  const uint64_t port = number("AMQP_PORT", 5672, 1, 65535);
  const bool bracketed = host.starts_with('[');
  const std::string address = bracketed ? fmt::format("{}:{}", host, port)
                                        : format_address(host, static_cast<uint16_t>(port));
  const auto parsed = parse_address(address);
  if (!parsed || parsed->host == "*") {
    error("AMQP_HOST", fmt::format("is \"{}\", which is not a host", escape_for_log(host)));
  }
  const std::string url = (port == amqps_port ? "amqps://" : "amqp://") + address;
  Plugin& broker = add_plugin("broker", "output_amqp");
  broker.fallback = "spool";
  set(broker, "urls", OptionValue::List{OptionValue{url, {}}});
  add_decoded(broker, "username", "AMQP_USERNAME");
  add_decoded(broker, "password", "AMQP_PASSWORD");
  add_decoded(broker, "vhost", "AMQP_VHOST");
  broker_target(broker);
  constexpr uint64_t most = std::numeric_limits<uint32_t>::max();
  const uint64_t in_flight = number("AMQP_BUFFER_SIZE", 0, 1, most);
  if (in_flight == 0) return;  // not set: the plugin's own default
  set(broker, "in_flight",
      static_cast<int64_t>(std::clamp(in_flight, least_in_flight, most_in_flight)));
}

// The options are templates, in which braces stand for placeholders. LSMTPD's values are names.
std::string without_placeholders(std::string_view name) {
  std::string out;
  for (const char c : name) out.append(c == '{' || c == '}' ? 2 : 1, c);
  return out;
}

void Environment::broker_target(Plugin& broker) {
  const std::string exchange = text("AMQP_EXCHANGE");
  const std::string routing_key = text("AMQP_ROUTING_KEY");
  if (!exchange.empty()) set(broker, "exchange", without_placeholders(exchange));
  if (!routing_key.empty()) set(broker, "routing_key", without_placeholders(routing_key));
  if (exchange.empty() && routing_key.empty()) {
    error("AMQP_ROUTING_KEY", "must be set with AMQP_HOST: it names the queue",
          "or set AMQP_EXCHANGE");
  }
}

void Environment::add_decoded(Plugin& plugin, const char* key, const char* variable) {
  std::string value = percent_decoded(text(variable));
  if (!value.empty()) set(plugin, key, std::move(value));
}

}  // namespace

Loaded from_environment(const std::string& default_file) {
  Loaded loaded;
  loaded.config.file = "environment";
  Environment(loaded).run(default_file);
  return loaded;
}

}  // namespace lsmtpd::config
