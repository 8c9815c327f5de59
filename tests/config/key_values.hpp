// SPDX-License-Identifier: Apache-2.0
// For tests that go through the key table: the struct that a section's keys are in, and for each
// key a value that is allowed and not its default.
#pragma once

#include <string>

#include "config/config.hpp"
#include "config/host.hpp"
#include "config/keys.hpp"

namespace lsmtpd::config {

// The first one, of the sections that there are several of.
inline const void* part(const Config& config, Section section) {
  switch (section) {
    case Section::server:
      return &config.server;
    case Section::tls:
      return &config.tls;
    case Section::listener:
      return &config.listeners.at(0);
    case Section::limits:
      return &config.limits;
    case Section::timeouts:
      return &config.timeouts;
    case Section::log:
      return &config.log;
    case Section::admin:
      return &config.admin;
    case Section::plugin:
      return &config.plugins.at(0);
    case Section::route:
      return &config.chains.at(0).routes.at(0);
    default:
      return &config.chains.at(0);
  }
}
inline void* part(Config& config, Section section) {
  return const_cast<void*>(part(const_cast<const Config&>(config), section));
}

// Another value than the default: `number` where the type has numbers, as near to it as the range
// allows.
inline Value other_value(const Key& key, uint64_t number) {
  if (key.type == Type::word && !key.computed.empty()) return std::string(key.words[1]);
  switch (key.type) {
    case Type::integer:
    case Type::size:
    case Type::duration: {
      const uint64_t near = std::clamp(number, key.range.least, key.range.most);
      const auto usual = parse_value(key, key.default_value);
      return usual && *usual == Value(near) ? Value(key.range.least) : Value(near);
    }
    case Type::word:
      return std::string(key.words[0] == key.default_value ? key.words[1] : key.words[0]);
    case Type::truth:
      return key.default_value != "true";
    case Type::certificates:
      return std::vector<CertificateFiles>{{"a.pem", "a.key", {}}};
    case Type::address:
      return std::string("[::1]:2526");
    case Type::texts:
      return std::vector<std::string>{"out"};
    case Type::servers:
      return std::vector<std::string>{"192.0.2.53:5353", "[2001:db8::53]:53"};
    case Type::networks:
      return std::vector<Network>{*parse_network("192.0.2.0/24")};
    default:
      return std::string("out");  // a name that is allowed everywhere
  }
}

}  // namespace lsmtpd::config
