// SPDX-License-Identifier: Apache-2.0
// output_amqp on the fake host, against a scripted peer: what its tests share.
#pragma once

#include <proton/message.hpp>
#include <string>
#include <vector>

#include "amqp_peer.hpp"
#include "output_rig.hpp"

namespace lsmtpd::amqp::test {

class Rig : public lsmtpd::test::OutputRig {
 public:
  Rig& option(const char* key, const std::string& value) {
    OutputRig::option(key, value);
    return *this;
  }
  // start() with a peer's URL, and wait until the link is attached.
  void attach(const Peer& peer, const char* address = "mail") {
    option("urls", peer.url());
    if (address != nullptr) option("address", address);
    if (start() != 0) return;
    until([&] { return contains(log(), "attached to the target"); });
  }
};

inline proton::message decoded(const std::string& bytes) {
  proton::message message;
  message.decode(std::vector<char>(bytes.begin(), bytes.end()));
  return message;
}

inline std::string body_of(const std::string& bytes) {
  const auto body = proton::get<proton::binary>(decoded(bytes).body());
  return std::string(body.begin(), body.end());
}

}  // namespace lsmtpd::amqp::test
