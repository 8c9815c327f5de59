// SPDX-License-Identifier: Apache-2.0
// LSMTPD's variables, as its unit's EnvironmentFile has them. An empty variable counts as not set,
// as it did there. Those that stand for a key of the core take its range and checks from the key
// table.

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>

#include "base/text.hpp"
#include "config/host.hpp"
#include "config/keys.hpp"
#include "config/validate.hpp"

namespace lsmtpd::config {
namespace {

constexpr std::string_view kSpoolDirectory = "/var/spool/lsmtpd";
constexpr uint64_t kAmqpsPort = 5671;

// RUST_LOG does not count as one of them: it may be set for any other program written in Rust.
constexpr std::string_view kVariables[] = {
    "SERVER_NAME",      "BIND_ADDRESS",     "BIND_PORT",    "MAX_EMAIL_SIZE_BYTES",
    "MAX_TIMEOUT_SECS", "TEMP_EMAIL_DIR",   "AMQP_HOST",    "AMQP_PORT",
    "AMQP_USERNAME",    "AMQP_PASSWORD",    "AMQP_VHOST",   "AMQP_EXCHANGE",
    "AMQP_ROUTING_KEY", "AMQP_BUFFER_SIZE", "AMQP_PROTOCOL"};

// LSMTPD's package set 10 deliveries in flight, which would throttle every broker.
constexpr uint64_t kLeastInFlight = 100;
constexpr uint64_t kMostInFlight = 100'000;

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
  std::optional<uint64_t> number(const char* name, Range allowed);
  void number_of(const char* name, const Key& key, uint64_t unit, void* section);
  void error(std::string_view name, std::string_view problem, std::string hint = {});

  void server();
  void listener();
  void log_level();
  void size_filter();
  void spool();
  void broker();
  std::string broker_plugin();
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

std::optional<uint64_t> Environment::number(const char* name, Range allowed) {
  const std::string given = text(name);
  if (given.empty()) return std::nullopt;
  uint64_t value = 0;
  const char* end = given.data() + given.size();
  const auto [rest, problem] = std::from_chars(given.data(), end, value);
  if (problem == std::errc{} && rest == end && value >= allowed.least && value <= allowed.most)
    return value;
  error(name, fmt::format("is \"{}\"; allowed: {} to {}", escape_for_log(given), allowed.least,
                          allowed.most));
  return std::nullopt;
}

// A variable that counts `unit`s of a key of the table, with the key's range.
void Environment::number_of(const char* name, const Key& key, uint64_t unit, void* section) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();  // what TOML can hold
  const Range range{key.range.least / unit, std::min(key.range.most, kMost) / unit};
  if (const auto value = number(name, range)) key.set(section, unit * *value);
}

void Environment::run(const std::string& default_file) {
  const bool any = std::any_of(std::begin(kVariables), std::end(kVariables), [](auto name) {
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
  Chain& chain = config_.chains.emplace_back();
  chain.name = "default";
  chain.steps = {"size", to_broker ? "broker" : "spool"};
  check(config_, errors_);
}

void Environment::server() {
  std::string& hostname = config_.server.hostname;
  hostname = text("SERVER_NAME");
  if (const Status status = check_value(key(Section::server, "hostname"), hostname); !status)
    error("SERVER_NAME", status.error().message);
  if (hostname.empty()) hostname = machine_name();
  number_of("MAX_TIMEOUT_SECS", key(Section::timeouts, "session"), 1000, &config_.timeouts);
}

void Environment::listener() {
  Listener listener;
  listener.name = "smtp";
  const auto port = static_cast<uint16_t>(number("BIND_PORT", {0, 65535}).value_or(25));
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

// env_logger's syntax: "info", "lsmtpd=debug", "warn,lsmtpd::smtp=trace". A directive for this
// program takes precedence over one without a target; directives for others are ignored.
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
    for (const std::string_view level : key(Section::log, "level").words) {
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
  number_of("MAX_EMAIL_SIZE_BYTES", key(Section::limits, "message_size"), 1, &limits);
  set(add_plugin("size", "filter_size"), "max", format_size(limits.message_size));
}

void Environment::spool() {
  std::string directory = text("TEMP_EMAIL_DIR");
  // Not LSMTPD's own default, which is below /tmp: what is spooled must outlive a restart.
  if (directory.empty()) directory = kSpoolDirectory;
  set(add_plugin("spool", "output_json_spool"), "directory", std::move(directory));
}

// LSMTPD spoke AMQP 0-9-1; the variable is ours.
std::string Environment::broker_plugin() {
  const std::string protocol = text("AMQP_PROTOCOL");
  if (protocol.empty() || protocol == "0-9-1") return "output_amqp091";
  if (protocol != "1.0")
    error("AMQP_PROTOCOL", fmt::format("is \"{}\"; allowed: 0-9-1, 1.0", escape_for_log(protocol)));
  return "output_amqp";
}

void Environment::broker() {
  const std::string host = text("AMQP_HOST");
  const uint64_t port = number("AMQP_PORT", {1, 65535}).value_or(5672);
  const bool bracketed = host.starts_with('[');
  const std::string address = bracketed ? fmt::format("{}:{}", host, port)
                                        : format_address(host, static_cast<uint16_t>(port));
  const auto parsed = parse_address(address);
  if (host.find('@') != std::string::npos) {
    // Pasted from a URI, where a password may stand before the @: not to be shown.
    error("AMQP_HOST", "is not a host: it holds an @",
          "put user and password into AMQP_USERNAME and AMQP_PASSWORD");
  } else if (!parsed || parsed->host == "*") {
    error("AMQP_HOST", fmt::format("is \"{}\", which is not a host", escape_for_log(host)));
  }
  const std::string url = (port == kAmqpsPort ? "amqps://" : "amqp://") + address;
  Plugin& broker = add_plugin("broker", broker_plugin());
  broker.fallback = "spool";
  set(broker, "urls", OptionValue::List{OptionValue{url, {}}});
  add_decoded(broker, "username", "AMQP_USERNAME");
  add_decoded(broker, "password", "AMQP_PASSWORD");
  add_decoded(broker, "vhost", "AMQP_VHOST");
  broker_target(broker);
  // LSMTPD's queues are classic, which RabbitMQ 3.13 and later accept for before they sync: it
  // warns.
  set(broker, "allow_unsynced_target", true);
  const auto in_flight = number("AMQP_BUFFER_SIZE", {1, std::numeric_limits<uint32_t>::max()});
  if (!in_flight) return;  // the plugin's own default
  set(broker, "in_flight",
      static_cast<int64_t>(std::clamp(*in_flight, kLeastInFlight, kMostInFlight)));
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
