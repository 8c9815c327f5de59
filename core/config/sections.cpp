#include "config/sections.hpp"

#include <limits>

#include "base/text.hpp"
#include "config/host.hpp"
#include "config/validate.hpp"

namespace lsmtpd::config {
namespace {

constexpr uint32_t many = 1'000'000;
constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();
constexpr uint64_t second = 1000;

void read_address(Reader& reader, Listener& listener) {
  std::string text;
  reader.require("address", listener.position, "such as address = \"127.0.0.1:2525\"");
  const Node* node = reader.text("address", text);
  if (!node) return;
  listener.address_position = node->position;
  const Result<Address> address = parse_address(text);
  if (!address) {
    reader.error(*node, "address",
                 fmt::format("is \"{}\": {}", escape_for_log(text), address.error().message));
    return;
  }
  listener.host = address->host;
  listener.port = address->port;
}

}  // namespace

void read_server(Reader& reader, Server& server) {
  const Node* hostname = reader.text("hostname", server.hostname);
  if (hostname && !server.hostname.empty() && !is_hostname(server.hostname)) {
    reader.error(*hostname, "hostname",
                 fmt::format("is \"{}\", which is neither a domain nor an address literal",
                             escape_for_log(server.hostname)),
                 "such as \"mx.example.com\"");
  }
  reader.integer("workers", server.workers, {0, 1024});
  if (const Node* user = reader.text("user", server.user)) server.user_position = user->position;
  reader.texts("plugin_path", server.plugin_path);
}

void read_limits(Reader& reader, Limits& limits) {
  const Node* size = reader.size("message_size", limits.message_size, {1, unlimited});
  if (size && limits.message_size < 64u << 10) {
    reader.warning(*size, "message_size", "is less than 64KiB, which every server must take",
                   "RFC 5321 section 4.5.3.1.7");
  }
  const Node* recipients = reader.integer("recipients", limits.recipients, {1, many});
  if (recipients && limits.recipients < 100) {
    reader.warning(*recipients, "recipients", "is less than 100, which every server must take",
                   "RFC 5321 section 4.5.3.1.8");
  }
  if (const Node* most = reader.integer("connections", limits.connections, {1, many})) {
    limits.connections_position = most->position;
  }
  reader.integer("connections_per_peer", limits.connections_per_peer, {1, many});
  reader.integer("peer_prefix_v4", limits.peer_prefix_v4, {8, 32});
  reader.integer("peer_prefix_v6", limits.peer_prefix_v6, {16, 128});
  reader.integer("commands", limits.commands, {1, many});
  reader.integer("errors", limits.errors, {1, many});
  reader.size("memory", limits.memory, {1u << 20, unlimited});
  reader.size("spill", limits.spill, {0, unlimited});
  if (const Node* directory = reader.text("spill_directory", limits.spill_directory)) {
    limits.spill_directory_position = directory->position;
  }
  reader.size("unread_replies", limits.unread_replies, {1u << 10, unlimited});
  reader.size("data_rate", limits.data_rate, {0, unlimited});
}

void read_timeouts(Reader& reader, Timeouts& timeouts) {
  reader.duration("command", timeouts.command, {second, longest_wait});
  reader.duration("data_idle", timeouts.data_idle, {second, longest_wait});
  reader.duration("session", timeouts.session, {0, longest_wait});
  reader.duration("chain", timeouts.chain, {1, longest_wait});
  reader.duration("drain", timeouts.drain, {0, longest_wait});
}

void read_log(Reader& reader, Log& log) {
  reader.word("level", log.level, level_names);
  reader.word("format", log.format, format_names);
  if (const Node* file = reader.text("file", log.file)) log.file_position = file->position;
}

void read_listener(Reader& reader, Listener& listener) {
  std::string given;
  const Node* name = reader.text("name", given);
  if (name && is_name(given)) {
    listener.name = given;
  } else if (name) {
    reader.error(
        *name, "name",
        fmt::format("is \"{}\": use up to 64 letters, digits, - and _", escape_for_log(given)));
  }
  read_address(reader, listener);
  reader.choice("protocol", listener.protocol, protocol_names);
  reader.choice("bare_lf", listener.bare_lf, bare_lf_names);
  if (const Node* chain = reader.text("chain", listener.chain)) {
    listener.chain_position = chain->position;
  }
  // A client waits five minutes for the greeting (RFC 5321 4.5.3.2.1).
  reader.duration("greet_delay", listener.greet_delay, {0, 300 * second});
}

}  // namespace lsmtpd::config
