// SPDX-License-Identifier: Apache-2.0
// The table of keys.hpp, and how a row is made from a member of a section's struct.

#include "config/host.hpp"
#include "config/keys.hpp"
#include "config/names.hpp"

namespace lsmtpd::config {
namespace {

template <class Struct>
struct SectionOf;
template <>
struct SectionOf<Server> {
  static constexpr Section kSection = Section::server;
};
template <>
struct SectionOf<Listener> {
  static constexpr Section kSection = Section::listener;
};
template <>
struct SectionOf<Limits> {
  static constexpr Section kSection = Section::limits;
};
template <>
struct SectionOf<Timeouts> {
  static constexpr Section kSection = Section::timeouts;
};
template <>
struct SectionOf<Log> {
  static constexpr Section kSection = Section::log;
};
template <>
struct SectionOf<Plugin> {
  static constexpr Section kSection = Section::plugin;
};
template <>
struct SectionOf<Chain> {
  static constexpr Section kSection = Section::chain;
};

template <class Member>
struct Parts;
template <class Struct, class Field>
struct Parts<Field Struct::*> {
  using Owner = Struct;
  using Type = Field;
};

template <auto kMember>
Value get_member(const void* section) {
  using P = Parts<decltype(kMember)>;
  const auto& field = static_cast<const typename P::Owner*>(section)->*kMember;
  if constexpr (std::is_enum_v<typename P::Type>) {
    return std::string(Names<typename P::Type>::kAll[static_cast<size_t>(field)]);
  } else if constexpr (std::is_integral_v<typename P::Type>) {
    return uint64_t{field};
  } else {
    return field;
  }
}

template <auto kMember>
void set_member(void* section, const Value& value) {
  using P = Parts<decltype(kMember)>;
  auto& field = static_cast<typename P::Owner*>(section)->*kMember;
  if constexpr (std::is_enum_v<typename P::Type>) {
    const auto& names = Names<typename P::Type>::kAll;
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == std::get<std::string>(value)) field = static_cast<typename P::Type>(i);
    }
  } else if constexpr (std::is_integral_v<typename P::Type>) {
    field = static_cast<typename P::Type>(std::get<uint64_t>(value));
  } else {
    field = std::get<typename P::Type>(value);
  }
}

template <class Field>
constexpr Type usual_type() {
  if constexpr (std::is_enum_v<Field>) return Type::word;
  if constexpr (std::is_same_v<Field, uint32_t>) return Type::integer;
  if constexpr (std::is_same_v<Field, std::vector<std::string>>) return Type::texts;
  if constexpr (std::is_same_v<Field, std::vector<Network>>) return Type::networks;
  return Type::text;
}

template <auto kMember>
constexpr Key row(std::string_view name, std::string_view default_value, std::string_view help) {
  using P = Parts<decltype(kMember)>;
  Key made{SectionOf<typename P::Owner>::kSection, name, usual_type<typename P::Type>(),
           default_value};
  if constexpr (std::is_enum_v<typename P::Type>) made.words = Names<typename P::Type>::kAll;
  made.help = help;
  made.get = get_member<kMember>;
  made.set = set_member<kMember>;
  return made;
}

template <auto kMember>
constexpr Key number(std::string_view name, std::string_view default_value, Range range,
                     std::string_view help) {
  Key made = row<kMember>(name, default_value, help);
  made.range = range;
  return made;
}

template <auto kMember>
constexpr Key size(std::string_view name, std::string_view default_value, uint64_t least,
                   std::string_view help) {
  static_assert(std::is_same_v<typename Parts<decltype(kMember)>::Type, uint64_t>);
  Key made = number<kMember>(name, default_value, {least, kUnlimited}, help);
  made.type = Type::size;
  return made;
}

template <auto kMember>
constexpr Key duration(std::string_view name, std::string_view default_value, Range range,
                       std::string_view help) {
  static_assert(std::is_same_v<typename Parts<decltype(kMember)>::Type, uint64_t>);
  Key made = number<kMember>(name, default_value, range, help);
  made.type = Type::duration;
  return made;
}

constexpr Key words(Key made, std::span<const std::string_view> allowed) {
  made.type = Type::word;
  made.words = allowed;
  return made;
}

constexpr Key computed(Key made, Type type, std::string_view how, std::string_view example) {
  made.type = type;
  made.computed = how;
  made.example = example;
  return made;
}

constexpr Key required(Key made, std::string_view empty, std::string_view example) {
  made.required = true;
  made.empty = empty;
  made.example = example;
  return made;
}

// Two members of Listener come from one key.
constexpr Key address(std::string_view example, std::string_view help) {
  Key made{Section::listener, "address", Type::address, {}};
  made.required = true;
  made.example = example;
  made.help = help;
  made.get = [](const void* section) -> Value {
    const auto& listener = *static_cast<const Listener*>(section);
    return format_address(listener.host, listener.port);
  };
  made.set = [](void* section, const Value& value) {
    auto& listener = *static_cast<Listener*>(section);
    if (auto parsed = parse_address(std::get<std::string>(value))) {
      listener.host = std::move(parsed->host);
      listener.port = parsed->port;
    }
  };
  return made;
}

constexpr Key options(std::string_view help) {
  Key made{Section::plugin, "options", Type::options, {}};
  made.help = help;
  return made;
}

constexpr Range kCount{1, 1'000'000};
constexpr uint64_t kSecond = 1000;
// The longest of every duration: catches slips, and no sum of two overflows.
constexpr uint64_t kLongest = 30ull * 24 * 3600 * kSecond;

constexpr SectionInfo kSections[] = {
    {Section::server, "server", "[server]", "The process."},
    {Section::listener, "listener", "[[listener]]",
     "An address that clients connect to; the section may stand any number of times."},
    {Section::limits, "limits", "[limits]", "Limits of the process and of each connection."},
    {Section::timeouts, "timeouts", "[timeouts]",
     "The defaults follow RFC 5321 4.5.3.2 where it names one."},
    {Section::log, "log", "[log]", "The log."},
    {Section::plugin, "plugin", "[plugin.NAME]",
     "An instance of a plugin. NAME has up to 64 letters, digits, - and _."},
    {Section::chain, "chain", "[chain.NAME]", "The way of a message through the plugins."},
};

constexpr Key kKeys[] = {
    computed(row<&Server::hostname>("hostname", "",
                                    "Domain or address literal of this server in the banner, in "
                                    "replies and in Received fields."),
             Type::hostname, "the machine's name", "\"mx.example.com\""),
    number<&Server::workers>(
        "workers", "0", {0, 1024},
        "Number of event loops; 0: as many as the cores that the process may use (affinity, cgroup "
        "cpu.max)."),
    number<&Server::pool_threads>("pool_threads", "4", {1, 256},
                                  "Number of threads for blocking work of plugins; one plugin has "
                                  "at most all but one of them."),
    row<&Server::user>("user", "",
                       "User that the process becomes after it has bound its addresses, when "
                       "started as root; empty: it stays root."),
    row<&Server::plugin_path>(
        "plugin_path", "",
        "Folders searched for plugins before plugins/ beside the program and the folder of the "
        "installation."),

    computed(row<&Listener::name>("name", "",
                                  "Name of the listener in the log and in the JSON: up to 64 "
                                  "letters, digits, - and _."),
             Type::name, "listener-1, listener-2, ...", ""),
    address("\"127.0.0.1:2525\"",
            "HOST:PORT to listen on; IPv6 in brackets, *:PORT for every address; port 0 takes a "
            "free one, which the log names."),
    row<&Listener::protocol>("protocol", "smtp", "Protocol that clients speak: SMTP or LMTP."),
    row<&Listener::bare_lf>("bare_lf", "reject",
                            "A line end of LF alone: reject refuses the message, normalize makes "
                            "it CRLF. It never ends a message."),
    row<&Listener::chain>("chain", "default", "Name of the chain that its messages take."),
    duration<&Listener::greet_delay>(
        "greet_delay", "0s", {0, 300 * kSecond},  // a client waits 5 min (RFC 5321 4.5.3.2.1)
        "Time that a client must stay silent before the banner; one that sends earlier gets 554. "
        "0: none."),

    size<&Limits::message_size>("message_size", "10MiB", 1,
                                "Largest content of a message, after dot-unstuffing. EHLO "
                                "announces the smallest limit: this, a filter's or a broker's."),
    number<&Limits::recipients>("recipients", "1000", kCount, "Most recipients of a message."),
    number<&Limits::connections>("connections", "10000", kCount, "Most open connections in all."),
    number<&Limits::connections_per_peer>("connections_per_peer", "100", kCount,
                                          "Most open connections from one address."),
    number<&Limits::peer_prefix_v4>(
        "peer_prefix_v4", "32", {8, 32},
        "Number of leading bits of an IPv4 address that make one peer, for all limits per peer."),
    number<&Limits::peer_prefix_v6>(
        "peer_prefix_v6", "64", {16, 128},
        "Number of leading bits of an IPv6 address that make one peer, for all limits per peer."),
    number<&Limits::commands>("commands", "1000", kCount,
                              "Most commands since the last accepted message that carry no mail "
                              "forward: NOOP, RSET, VRFY, a RCPT with a 4xx reply, ..."),
    number<&Limits::errors>("errors", "20", kCount,
                            "Most commands with a 5xx reply since the last accepted message."),
    size<&Limits::memory>("memory", "48MiB", 1u << 20,
                          "Memory of the process for bodies, envelopes, unfinished commands, "
                          "unread replies, and what plugins hold."),
    size<&Limits::spill>("spill", "1GiB", 0,
                         "Disk space for all bodies that find no room in memory."),
    row<&Limits::spill_directory>("spill_directory", "/var/tmp",
                                  "Directory of the unlinked files that hold those bodies."),
    size<&Limits::unread_replies>("unread_replies", "64KiB", 1u << 10,
                                  "Most bytes of replies that a client may leave unread."),
    size<&Limits::data_rate>("data_rate", "100B", 0,
                             "Least bytes a second while a message is read, averaged over 30 s; "
                             "0: any."),

    duration<&Timeouts::command>("command", "5m", {kSecond, kLongest},
                                 "Time for the next whole command, in however many pieces it "
                                 "comes."),
    duration<&Timeouts::data_idle>("data_idle", "3m", {kSecond, kLongest},
                                   "Time for the next bytes of a message."),
    duration<&Timeouts::session>("session", "0s", {0, kLongest},
                                 "Time for a whole connection; 0: no limit."),
    duration<&Timeouts::chain>("chain", "30s", {1, kLongest},
                               "Time for all plugins together until the final reply."),
    duration<&Timeouts::drain>("drain", "25s", {0, kLongest},
                               "Time for transactions under way when the daemon is told to stop; "
                               "0: none."),

    words(row<&Log::level>("level", "info", "Least level of the lines that are written."),
          kLevelNames),
    words(row<&Log::format>("format", "text", "Form of a line."), kFormatNames),
    row<&Log::file>("file", "",
                    "File that lines are appended to; empty: standard error. SIGHUP and SIGUSR1 "
                    "open it again."),

    required(row<&Plugin::use>("use", "",
                               "The plugin: a name that `lsmtpd plugins` lists, or a file (with a "
                               "slash)."),
             "is empty", "\"filter_size\""),
    duration<&Plugin::deadline>("deadline", "10s", {1, kLongest}, "Time for one answer."),
    row<&Plugin::on_timeout>("on_timeout", "tempfail",
                             "Verdict where an answer does not come in time; continue is for "
                             "filters only."),
    row<&Plugin::on_error>("on_error", "tempfail",
                           "Verdict where the plugin is stuck or lets an exception out; continue "
                           "is for filters only."),
    row<&Plugin::fallback>("fallback", "",
                           "Of an output: the plugin that stores what this one cannot take now, "
                           "and gives it back later. Empty: none."),
    options("Options that the plugin defines; `lsmtpd plugins` lists them."),

    required(row<&Chain::steps>("steps", "",
                                "Names of plugins: filters first, then one or more outputs, which "
                                "start together."),
             "is empty: nothing would store the mail", "[\"size\", \"spool\"]"),
};

}  // namespace

std::span<const SectionInfo> sections() {
  return kSections;
}

std::span<const Key> all_keys() {
  return kKeys;
}

}  // namespace lsmtpd::config
