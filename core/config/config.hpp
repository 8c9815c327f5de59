// SPDX-License-Identifier: Apache-2.0
// The whole effective configuration, as plain values. Read once at start, const afterwards.
//
// load_file() makes it from TOML, from_environment() from LSMTPD's variables. app hands each part
// to the layer it concerns. Each constructor gives its section the defaults of the key table
// (keys.hpp), where key, type, default, range and help of every member stand. Durations are
// milliseconds, sizes bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/network.hpp"

namespace lsmtpd::config {

// Where in the file a value stands, 1-based; line 0 is a default or the environment.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
};

// A value under `[plugin.NAME.options]`: which keys and types there may be, the plugin says
// (core/plugin checks them against its option table).
struct OptionValue {
  using List = std::vector<OptionValue>;
  using Map = std::map<std::string, OptionValue>;
  std::variant<std::string, bool, int64_t, double, List, Map> value;
  Position position;
};

struct Option {
  OptionValue value;
  Position key_position;
  bool broken = false;  // given, but with a mistake that has been reported
};

// Which keys of a section the configuration gives, and where their values stand.
struct Given {
  std::map<std::string_view, Position> places;              // by Key::name
  std::map<std::string_view, std::vector<Position>> items;  // of lists of strings

  bool has(std::string_view key) const { return places.contains(key); }
  // Line 0 where the key is not given.
  Position operator[](std::string_view key) const {
    const auto found = places.find(key);
    return found == places.end() ? Position{} : found->second;
  }
  // Of an item of a list of strings; line 0 where the list is not given.
  Position item(std::string_view key, size_t i) const {
    const auto found = items.find(key);
    return found != items.end() && i < found->second.size() ? found->second[i] : (*this)[key];
  }
};

enum class Protocol { smtp, lmtp };
enum class BareLf { reject, normalize };
enum class ListenerTls { off, starttls, required, implicit, proxy };
enum class ClientCertificate { none, request, require };
enum class TlsVersion { tls_1_2, tls_1_3 };  // "1.2", "1.3"
enum class Auth { off, optional, required };
enum class Unmatched { steps, reject };
enum class RouteMix { deliver, defer };
enum class OnFailure { tempfail, reject, proceed };  // "tempfail", "reject", "continue"

struct Server {
  Server();
  std::string hostname;  // load_file() and from_environment() put the machine's name for empty
  uint32_t workers = 0;
  uint32_t pool_threads = 0;
  std::string user;
  std::vector<std::string> plugin_path;
  std::vector<std::string> resolvers;  // ADDRESS:PORT
  std::string state_directory;
  Given given;
};

struct Listener {
  Listener();
  std::string name;
  std::string host;  // as given, without brackets; "*" and "::" mean any
  uint16_t port = 0;
  Protocol protocol = {};
  BareLf bare_lf = {};
  std::string chain;
  uint64_t greet_delay = 0;
  std::vector<Network> proxy_protocol_from;
  std::vector<Network> xclient_from;
  ListenerTls tls = {};                       // where it is not given, load_file() puts it
  ClientCertificate client_certificate = {};  // the same
  Auth auth = {};
  std::string auth_plugin;
  bool traceparent = false;
  std::vector<Network> traceparent_from;
  Position position;
  Given given;
};

// A certificate and its key, by the names of their files.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  Position position;  // does not count in a comparison

  bool operator==(const CertificateFiles& other) const {
    return certificate == other.certificate && key == other.key;
  }
};

struct Tls {
  Tls();
  std::vector<CertificateFiles> certificates;
  TlsVersion min_version = {};
  std::string ciphers;
  std::string ciphersuites;
  std::string groups;
  bool session_tickets = false;
  std::string client_ca;
  ClientCertificate client_certificate = {};
  Given given;
};

struct Limits {
  Limits();
  uint64_t message_size = 0;
  uint32_t recipients = 0;
  uint32_t connections = 0;
  uint32_t connections_per_peer = 0;
  uint32_t peer_prefix_v4 = 0;
  uint32_t peer_prefix_v6 = 0;
  std::vector<Network> exempt;
  uint32_t commands = 0;
  uint32_t errors = 0;
  uint64_t memory = 0;
  uint64_t tls_memory = 0;
  uint64_t spill = 0;
  std::string spill_directory;
  uint64_t unread_replies = 0;
  uint64_t data_rate = 0;
  Given given;
};

struct Timeouts {
  Timeouts();
  uint64_t command = 0;
  uint64_t data_idle = 0;
  uint64_t session = 0;
  uint64_t proxy = 0;
  uint64_t tls = 0;
  uint64_t chain = 0;
  uint64_t drain = 0;
  uint64_t reload = 0;
  uint64_t drain_delay = 0;
  Given given;
};

struct Log {
  Log();
  std::string level;
  std::string format;
  std::string file;
  std::string addresses;
  Given given;
};

struct Admin {
  Admin();
  std::string socket;  // empty: none
  std::string mode;    // of the socket's file: "0660"
  std::string group;
  std::string http;  // "HOST:PORT"; empty: none
  std::string token_file;
  std::vector<std::string> hosts;
  uint64_t unready_after = 0;
  Given given;
};

struct Plugin {
  Plugin();
  std::string name;  // [plugin.NAME]
  std::string use;
  uint64_t deadline = 0;
  OnFailure on_timeout = {};
  OnFailure on_error = {};
  std::string fallback;
  std::map<std::string, Option> options;
  Position position;
  Given given;
};

// [[chain.NAME.route]]
struct Route {
  Route();
  std::string name;
  std::vector<std::string> recipients;  // patterns
  std::vector<std::string> files;       // of patterns
  std::vector<std::string> steps;
  Position position;
  Given given;
};

struct Chain {
  Chain();
  std::string name;
  std::vector<std::string> steps;
  std::vector<Route> routes;
  Unmatched unmatched = {};
  RouteMix route_mix = {};
  std::string recipient_delimiter;
  bool case_sensitive = false;
  Position position;
  Given given;

  // Of the chain and of all its routes; an output may stand there several times.
  std::vector<std::string> all_steps() const;
};

struct Config {
  std::string file;  // named in diagnostics; "environment" if there is no file
  Server server;
  Tls tls;
  std::vector<Listener> listeners;
  Limits limits;
  Timeouts timeouts;
  Log log;
  Admin admin;
  std::vector<Plugin> plugins;
  std::vector<Chain> chains;

  const Plugin* plugin(std::string_view name) const;
  const Chain* chain(std::string_view name) const;
  // The tls of a listener that does not name it.
  ListenerTls default_tls() const;
};

// One thing that is wrong (or doubtful) in the configuration.
struct Diagnostic {
  bool warning = false;
  Position position;
  std::string message;  // what is wrong and what is allowed
  std::string hint;     // the nearest right name, or what to do; may be empty
};

// "FILE:LINE:COLUMN: error: MESSAGE (HINT)"
std::string format(const Diagnostic& diagnostic, const std::string& file);
// In the order of the file; what has no place in it comes last.
void sort_by_position(std::vector<Diagnostic>& diagnostics);

struct Loaded {
  Config config;
  std::vector<Diagnostic> diagnostics;  // all of them, in file order
  bool ok() const;                      // no errors; warnings are allowed
};

// Reads and checks a TOML file: syntax, unknown keys, types, ranges, references between listeners,
// chains and plugins, `${NAME}` in every string. [main]
Loaded load_file(const std::string& path);
Loaded load_text(const std::string& text, const std::string& file_name);

// LSMTPD's environment variables (docs/configuration.md lists the mapping) instead of
// `default_file`, which is not there.
Loaded from_environment(const std::string& default_file);

struct Printing {
  std::vector<std::string>
      secrets;  // options, as "PLUGIN.KEY" or "PLUGIN.KEY[].COLUMN", that show as "***"
  std::vector<std::string> unset;  // options that have no value, which a comment says
  bool only_changed = false;       // leaves out keys that have their default
};

// The effective configuration as TOML that load_text() takes again.
std::string print(const Config& config, const Printing& how = {});

}  // namespace lsmtpd::config
