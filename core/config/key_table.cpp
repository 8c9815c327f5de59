// SPDX-License-Identifier: Apache-2.0
// The table of keys.hpp. key_rows.hpp makes the rows.

#include "config/key_rows.hpp"

namespace lsmtpd::config {
namespace {

using namespace rows;

constexpr Range kCount{1, 1'000'000};
constexpr uint64_t kSecond = 1000;
// The longest of every duration: catches slips, and no sum of two overflows.
constexpr uint64_t kLongest = 30ull * 24 * 3600 * kSecond;

constexpr SectionInfo kSections[] = {
    {Section::server, "server", "[server]", "The process."},
    {Section::tls, "tls", "[tls]", "TLS, for every listener that has it."},
    {Section::listener, "listener", "[[listener]]",
     "An address that clients connect to; the section may stand any number of times."},
    {Section::limits, "limits", "[limits]", "Limits of the process and of each connection."},
    {Section::timeouts, "timeouts", "[timeouts]",
     "The defaults follow RFC 5321 4.5.3.2 where it names one."},
    {Section::log, "log", "[log]", "The log."},
    {Section::admin, "admin", "[admin]",
     "Health, metrics, status and the commands of `lsmtpd ctl`. Without socket and http there is "
     "none of it."},
    {Section::plugin, "plugin", "[plugin.NAME]",
     "An instance of a plugin. NAME has up to 64 letters, digits, - and _."},
    {Section::chain, "chain", "[chain.NAME]", "The way of a message through the plugins."},
    {Section::route, "route", "[[chain.NAME.route]]",
     "Other steps for some recipients of the chain; the section may stand any number of times, and "
     "the first one that matches a recipient takes it. See docs/routes.md."},
};

constexpr Key kKeys[] = {
    fixed(computed(
        row<&Server::hostname>("hostname", "",
                               "Domain or address literal of this server in the banner, in "
                               "replies and in Received fields."),
        Type::hostname, "the machine's name", "\"mx.example.com\"")),
    fixed(number<&Server::workers>(
        "workers", "0", {0, 1024},
        "Number of event loops; 0: as many as the cores that the process may use (affinity, cgroup "
        "cpu.max).")),
    fixed(number<&Server::pool_threads>(
        "pool_threads", "4", {1, 256},
        "Number of threads for blocking work of plugins; one plugin has "
        "at most all but one of them.")),
    fixed(row<&Server::user>("user", "",
                             "User that the process becomes after it has bound its addresses, when "
                             "started as root; empty: it stays root.")),
    row<&Server::plugin_path>(
        "plugin_path", "",
        "Folders searched for plugins before plugins/ beside the program and the folder of the "
        "installation."),
    fixed(servers<&Server::resolvers>(
        "resolvers",
        "DNS servers that plugins ask, ADDRESS or ADDRESS:PORT; empty: those of the system "
        "(/etc/resolv.conf).")),
    fixed(row<&Server::state_directory>(
        "state_directory", "",
        "Directory for what outlives a restart beside the spool, such as holds; empty: nothing "
        "does.")),

    row<&Tls::certificates>(
        "certificates", "",
        "Certificates with their keys, by PEM file: the first for clients that name no host, the "
        "others by name (SNI) and key type."),
    row<&Tls::min_version>("min_version", "1.2", "Lowest version of TLS."),
    row<&Tls::ciphers>("ciphers", "",
                       "Ciphers of TLS 1.2 in OpenSSL's notation; empty: OpenSSL's default."),
    row<&Tls::ciphersuites>("ciphersuites", "",
                            "Cipher suites of TLS 1.3, separated by colons; empty: OpenSSL's "
                            "default."),
    row<&Tls::groups>("groups", "",
                      "Groups for the key exchange, separated by colons; empty: OpenSSL's "
                      "default."),
    row<&Tls::session_tickets>("session_tickets", "false",
                               "Whether clients get tickets to resume a session; mail clients "
                               "hardly use them."),
    row<&Tls::client_ca>("client_ca", "",
                         "PEM file with the issuers that are trusted to certify clients; empty: "
                         "none."),
    row<&Tls::client_certificate>("client_certificate", "none",
                                  "Whether clients are asked for a certificate: request takes any "
                                  "or none, require one of an issuer in client_ca."),

    computed(row<&Listener::name>("name", "",
                                  "Name of the listener in the log and in the JSON: up to 64 "
                                  "letters, digits, - and _."),
             Type::name, "listener-1, listener-2, ...", ""),
    address("\"127.0.0.1:2525\"",
            "HOST:PORT to listen on; IPv6 in brackets, *:PORT for every address; port 0: a free "
            "one. systemd:NAME: a socket unit's. unix:/PATH: LMTP."),
    row<&Listener::protocol>("protocol", "smtp", "Protocol that clients speak: SMTP or LMTP."),
    row<&Listener::bare_lf>("bare_lf", "reject",
                            "A line end of LF alone: reject refuses the message, normalize makes "
                            "it CRLF. It never ends a message."),
    row<&Listener::chain>("chain", "default", "Name of the chain that its messages take."),
    duration<&Listener::greet_delay>(
        "greet_delay", "0s", {0, 300 * kSecond},  // a client waits 5 min (RFC 5321 4.5.3.2.1)
        "Time that a client must stay silent before the banner; one that sends earlier gets 554. "
        "0: none."),
    row<&Listener::proxy_protocol_from>(
        "proxy_protocol_from", "",
        "Networks of trusted proxies, which must send a PROXY header, version 1 or 2, before "
        "anything else; no other peer may."),
    row<&Listener::xclient_from>(
        "xclient_from", "",
        "Networks of trusted proxies that may name their client with XCLIENT; it is offered to "
        "them only."),
    computed(row<&Listener::tls>("tls", "",
                                 "TLS: starttls offers it, required refuses mail before it, "
                                 "implicit begins with it (port 465), proxy: ended by the proxies "
                                 "in front."),
             Type::word, "starttls where tls.certificates is set, else off", ""),
    computed(row<&Listener::client_certificate>(
                 "client_certificate", "",
                 "Whether its clients are asked for a certificate, where it differs from [tls]."),
             Type::word, "tls.client_certificate", ""),
    row<&Listener::auth>("auth", "off",
                         "AUTH: offered inside TLS only; required: most commands get 530 before "
                         "it. Needs auth_plugin."),
    row<&Listener::auth_plugin>(
        "auth_plugin", "",
        "Name of the plugin that checks users and passwords, such as one that uses auth_file."),
    row<&Listener::traceparent>("traceparent", "false",
                                "Whether each message gets a W3C traceparent, for outputs, JSON "
                                "and the log: made anew, or from its header field."),
    row<&Listener::traceparent_from>(
        "traceparent_from", "",
        "Networks of clients whose mails may bring their own in a header field named traceparent; "
        "others' is passed over."),

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
    row<&Limits::exempt>("exempt", "",
                         "Networks of clients without connections_per_peer and without waits after "
                         "failed AUTH; their shares of memory and of the log stay."),
    number<&Limits::commands>("commands", "1000", kCount,
                              "Most commands since the last accepted message that carry no mail "
                              "forward: NOOP, RSET, VRFY, a RCPT with a 4xx reply, ..."),
    number<&Limits::errors>("errors", "20", kCount,
                            "Most commands with a 5xx reply since the last accepted message."),
    size<&Limits::memory>("memory", "48MiB", 1u << 20,
                          "Memory of the process for bodies, envelopes, unfinished commands, "
                          "unread replies, and what plugins hold."),
    size<&Limits::tls_memory>("tls_memory", "40MiB", 1u << 20,
                              "Memory of all TLS sessions, 18KiB each, with OpenSSL 3.2 or later "
                              "34KiB; without room STARTTLS gets 454. Half of it "
                              "is for handshakes under way."),
    size<&Limits::spill>("spill", "1GiB", 0,
                         "Disk space for all bodies that find no room in memory."),
    fixed(row<&Limits::spill_directory>("spill_directory", "/var/tmp",
                                        "Directory of the unlinked files that hold those bodies.")),
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
    duration<&Timeouts::proxy>("proxy", "5s", {kSecond, kLongest},
                               "Time for the PROXY header of a trusted proxy."),
    duration<&Timeouts::tls>("tls", "30s", {kSecond, kLongest}, "Time for a TLS handshake."),
    duration<&Timeouts::chain>("chain", "30s", {1, kLongest},
                               "Time for all plugins together until the final reply."),
    duration<&Timeouts::drain>("drain", "25s", {0, kLongest},
                               "Time for transactions under way when the daemon is told to stop; "
                               "0: none."),
    duration<&Timeouts::reload>("reload", "5m", {0, kLongest},
                                "Time that a session may go on with plugins of a former "
                                "configuration after a reload; then it gets 421. 0: no end."),
    duration<&Timeouts::drain_delay>(
        "drain_delay", "0s", {0, kLongest},
        "Time that listeners go on accepting after SIGTERM, while /readyz says 503 already and "
        "balancers turn away."),

    words(row<&Log::level>("level", "info", "Least level of the lines that are written."),
          kLevelNames),
    words(row<&Log::format>("format", "text", "Form of a line."), kFormatNames),
    row<&Log::file>("file", "",
                    "File that lines are appended to; empty: standard error. SIGHUP and SIGUSR1 "
                    "open it again."),
    words(row<&Log::addresses>("addresses", "full",
                               "Mail addresses in lines: whole; the domain only; or a hash under a "
                               "key of this start in place of the local part."),
          kAddressNames),

    fixed(
        row<&Admin::socket>("socket", "",
                            "Path of the Unix socket for everything, `lsmtpd ctl` too; whoever may "
                            "write to it may use it. Empty: none.")),
    fixed(row<&Admin::mode>("mode", "0660", "Mode of the socket's file, in octal digits.")),
    fixed(row<&Admin::group>("group", "", "Group of the socket's file; empty: the process's own.")),
    fixed(row<&Admin::http>(
        "http", "",
        "HOST:PORT for HTTP, reading only: /livez, /readyz, /metrics, /status and the "
        "page at /. Empty: none.")),
    fixed(row<&Admin::token_file>(
        "token_file", "",
        "File whose first line is the bearer token for HTTP, but for /livez "
        "and /readyz; empty: none is asked for.")),
    fixed(row<&Admin::hosts>("hosts", "",
                             "Names that the Host field of a request may have, beside addresses, "
                             "localhost and server.hostname.")),
    fixed(
        duration<&Admin::unready_after>("unready_after", "10s", {0, kLongest},
                                        "Time that a chain must be unable to take mail, without a "
                                        "break, before /readyz says 503.")),

    required(row<&Plugin::use>("use", "",
                               "The plugin: a name that `lsmtpd plugins` lists, or a file (with a "
                               "slash)."),
             "is empty", "\"filter_size\""),
    duration<&Plugin::deadline>("deadline", "10s", {1, kLongest}, "Time for one answer."),
    row<&Plugin::on_timeout>("on_timeout", "tempfail",
                             "Verdict where an answer does not come in time; continue is for "
                             "filters only. Credentials get 454 all the same."),
    row<&Plugin::on_error>("on_error", "tempfail",
                           "Verdict where the plugin is stuck or lets an exception out; continue "
                           "is for filters only. Credentials get 454 all the same."),
    row<&Plugin::fallback>("fallback", "",
                           "Of an output: the plugin that stores what this one cannot take now, "
                           "and gives it back later. Empty: none."),
    options("Options that the plugin defines; `lsmtpd plugins` lists them."),

    required(row<&Chain::steps>("steps", "",
                                "Names of plugins: filters first, then one or more outputs, which "
                                "start together."),
             "is empty: nothing would store the mail", "[\"size\", \"spool\"]"),
    row<&Chain::unmatched>("unmatched", "steps",
                           "Recipients that no route matches: take the chain's own outputs, or get "
                           "550 5.1.1. Postmaster is taken in any case."),
    row<&Chain::route_mix>("route_mix", "deliver",
                           "SMTP recipients of several routes in one message: each route delivers, "
                           "or those of another route than the first get 452 4.5.3."),
    row<&Chain::recipient_delimiter>(
        "recipient_delimiter", "",
        "Characters that begin an extension of a local part, which patterns need not have: with "
        "\"+\", joe matches joe+lists. Empty: none."),
    row<&Chain::case_sensitive>("case_sensitive", "false",
                                "Patterns tell a from A in local parts. Domains never do."),

    computed(row<&Route::name>("name", "",
                               "Name of the route in logs and in the ids of its copies: up to 64 "
                               "letters, digits, - and _."),
             Type::name, "route-1, route-2, ...", "\"billing\""),
    row<&Route::recipients>("recipients", "",
                            "Patterns: joe@example.org, *@example.org, *@*.example.org (domains "
                            "below it), abuse@*, postmaster."),
    row<&Route::files>(
        "files", "",
        "Files with one pattern a line; # begins a comment. Read at the start and at "
        "a reload."),
    required(row<&Route::steps>("steps", "",
                                "Names of plugins: filters of messages first, then one or more "
                                "outputs."),
             "is empty: nothing would store the mail", "[\"billing\"]"),
};

}  // namespace

std::span<const SectionInfo> sections() {
  return kSections;
}

std::span<const Key> all_keys() {
  return kKeys;
}

}  // namespace lsmtpd::config
