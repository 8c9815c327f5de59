// SPDX-License-Identifier: Apache-2.0
// What the server is told, in its own words: app makes these out of the configuration, and nothing
// here has a default. Durations are milliseconds, sizes octets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

struct ListenerSettings {
  std::string name;
  std::string chain;
  uint64_t greet_delay;  // 0: none
  smtp::Settings smtp;
};

struct ChainSettings {
  std::string name;
  std::vector<std::string> steps;  // names of instances
  uint64_t deadline;               // 0: none
};

struct Settings {
  Limits limits;
  Timeouts timeouts;
  std::vector<ListenerSettings> listeners;
  std::vector<ChainSettings> chains;
};

}  // namespace lsmtpd::server
