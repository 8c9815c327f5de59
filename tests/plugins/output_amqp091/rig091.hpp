// SPDX-License-Identifier: Apache-2.0
// output_amqp091 on the fake host, against a scripted broker: what its tests share.
#pragma once

#include "output_rig.hpp"
#include "scripted_broker.hpp"

namespace lsmtpd::amqp091::test {

class Rig : public lsmtpd::test::OutputRig {
 public:
  Rig& option(const char* key, const std::string& value) {
    OutputRig::option(key, value);
    return *this;
  }
  // start() with a broker's URL, and wait until there is a channel to publish on.
  void open(const ScriptedBroker& broker) {
    option("urls", broker.url());
    if (start() != 0) return;
    until([&] { return contains(log(), "ready to publish"); });
  }
  void open(const ScriptedBroker& broker, const char* queue) {
    option("routing_key", queue);
    open(broker);
  }
};

}  // namespace lsmtpd::amqp091::test
