// The whole effective configuration, as plain values. Read once at start, const afterwards.
//
// Who makes it: load_file() from TOML, or from_environment() from LSMTPD's variables.
// Who reads it: app hands each part to the layer it concerns. Defaults stand here and nowhere else.
// Durations are milliseconds, sizes bytes. A duration of 0 means no limit where the comment says
// so.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

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

enum class Protocol { smtp, lmtp };
enum class BareLf { reject, normalize };
enum class OnFailure { tempfail, reject, proceed };  // "tempfail", "reject", "continue"

struct Server {
  std::string hostname;  // default: the machine's name
  uint32_t workers = 0;  // 0 = cores allowed to the process
  std::string user;      // dropped to after binding when started as root; empty = stay
  std::vector<std::string> plugin_path;  // searched before the built-in places
  Position user_position = {};
};

struct Listener {
  std::string name;
  std::string host;  // as given, without brackets; "*" and "::" mean any
  uint16_t port = 0;
  Protocol protocol = Protocol::smtp;
  BareLf bare_lf = BareLf::reject;
  std::string chain = "default";
  uint64_t greet_delay = 0;  // how long a client must stay silent before the banner; 0 = none
  Position position;
  Position address_position;
  Position chain_position;
};

struct Limits {
  uint64_t message_size = 10u << 20;
  uint32_t recipients = 1000;
  uint32_t connections = 10000;
  uint32_t connections_per_peer = 100;
  uint32_t peer_prefix_v4 = 32;  // bits of an address that make a peer, for all limits per peer
  uint32_t peer_prefix_v6 = 64;
  // On a connection since the last message that was accepted:
  uint32_t commands = 1000;     // commands that carry no mail forward (NOOP, RSET, VRFY, ...)
  uint32_t errors = 20;         // 5xx replies to commands
  uint64_t memory = 48u << 20;  // one budget for the process
  uint64_t spill = 1u << 30;    // all unlinked body files together
  std::string spill_directory = "/var/tmp";
  uint64_t unread_replies = 64u << 10;  // reply bytes a client may leave unread
  uint64_t data_rate = 100;  // bytes a second while data is read, averaged over 30 s; 0 = none
  Position connections_position = {};
  Position spill_directory_position = {};
};

struct Timeouts {
  uint64_t command = 300'000;
  uint64_t data_idle = 180'000;
  uint64_t session = 0;  // 0 = no limit
  uint64_t chain = 30'000;
  uint64_t drain = 25'000;
};

struct Log {
  std::string level = "info";   // trace, debug, info, warn, error, off
  std::string format = "text";  // or "json"
  std::string file;             // empty: standard error
  Position file_position = {};
};

struct Plugin {
  std::string name;  // [plugin.NAME]
  std::string use;   // the .so, by name or, with a slash, by path
  uint64_t deadline = 10'000;
  OnFailure on_timeout = OnFailure::tempfail;
  OnFailure on_error = OnFailure::tempfail;
  std::string fallback;  // name of another plugin entry; empty: none
  std::map<std::string, Option> options;
  Position position;
  Position use_position;
  Position on_timeout_position;
  Position on_error_position;
  Position fallback_position;
};

struct Chain {
  std::string name;
  std::vector<std::string> steps;
  std::vector<Position> step_positions;
  Position position;
};

struct Config {
  std::string file;  // what diagnostics name; "environment" where there is none
  Server server;
  std::vector<Listener> listeners;
  Limits limits;
  Timeouts timeouts;
  Log log;
  std::vector<Plugin> plugins;
  std::vector<Chain> chains;

  const Plugin* plugin(std::string_view name) const;
  const Chain* chain(std::string_view name) const;
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

// The effective configuration as TOML that load_text() takes again. Option keys named in `secrets`
// (as "PLUGIN.KEY") show as "***".
std::string print(const Config& config, const std::vector<std::string>& secrets);

}  // namespace lsmtpd::config
