// SPDX-License-Identifier: Apache-2.0
// The server's settings, in its own words: app makes these out of the configuration, and nothing
// here has a default. Durations are milliseconds, sizes octets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/network.hpp"
#include "io/tls_stream.hpp"
#include "pipeline/route_table.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::server {

struct Limits {
  uint64_t message_size;
  uint64_t unread_replies;  // octets of replies that a client may leave unread
  uint64_t data_rate;       // octets a second while data is read; 0: none
  uint64_t turn_ns;         // nanoseconds that a connection may work in one turn of its loop
};

struct Timeouts {
  uint64_t command;
  uint64_t data_idle;
  uint64_t session;  // 0: none
  uint64_t proxy;    // for the PROXY header
  uint64_t tls;      // for a handshake
};

struct ListenerSettings {
  std::string name;
  std::string address;  // as configured, with the name where the port is 0: what is the same in two
                        // generations
  std::string chain;
  uint64_t greet_delay;  // 0: none
  std::vector<Network> proxy_protocol_from;
  bool tls_by_proxy;  // every client comes through them, and they have ended TLS
  std::vector<Network> xclient_from;
  std::string auth_plugin;  // the instance that checks credentials; empty: no AUTH
  bool require_auth;
  bool traceparent;                       // each message gets one
  std::vector<Network> traceparent_from;  // whose mails may bring their own
  smtp::Settings smtp;
  bool implicit_tls;
  io::ClientCertificate client_certificate;
};

struct RouteSettings {
  std::string name;
  std::vector<std::string> steps;  // names of instances
};

struct ChainSettings {
  std::string name;
  std::vector<std::string> steps;  // names of instances
  uint64_t deadline;               // 0: none
  bool defer_other_routes;
  std::vector<RouteSettings> routes;
  std::shared_ptr<const pipeline::RouteTable> table;  // null where there are no routes
};

struct Settings {
  Limits limits;
  Timeouts timeouts;
  std::vector<ListenerSettings> listeners;
  std::vector<ChainSettings> chains;
};

}  // namespace lsmtpd::server
