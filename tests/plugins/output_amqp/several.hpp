// SPDX-License-Identifier: Apache-2.0
// Several brokers and several workers on a clock of the test.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "rig.hpp"

namespace lsmtpd::amqp::test {

inline double connections_at(Rig& rig, const std::string& url) {
  return lsmtpd_test_metric(rig.raw(), ("output_connections url=" + url).c_str());
}

inline double moves(Rig& rig) {
  return lsmtpd_test_metric(rig.raw(), "output_moves_total");
}

inline Script on(const char* host, std::uint16_t port = 0) {
  Script script;
  script.host = host;
  script.port = port;
  return script;
}

// The url of a name, whose addresses are those of the rig.
inline std::string named(std::uint16_t port) {
  return "amqp://broker.example:" + std::to_string(port);
}

// Time runs here independent of the peers' threads.
inline void use_brokers(Rig& rig, const std::vector<std::string>& urls) {
  for (const std::string& url : urls) rig.option("urls", url);
  rig.option("address", "mail").option("idle_timeout", "0s").option("connect_timeout", "10m");
}

inline void minutes_pass(Rig& rig, int minutes) {
  for (int minute = 0; minute < minutes; ++minute) {
    rig.advance(60'000);
    rig.turn(5);
  }
}

// Time goes on until `condition`; each step leaves the peers' threads some turns.
inline bool in_time(Rig& rig, const std::function<bool()>& condition,
                    std::uint64_t step_ms = 1000) {
  return rig.until([&] {
    if (condition()) return true;
    rig.turn(3);
    rig.advance(step_ms);
    return false;
  });
}

inline void open_lanes(Rig& rig, int count) {
  rig.raw()->workers = static_cast<std::uint32_t>(count);
  ASSERT_EQ(rig.start(), 0);
  for (int lane = 1; lane < count; ++lane) ASSERT_EQ(lsmtpd_test_open_lane(rig.raw()), 0);
}

}  // namespace lsmtpd::amqp::test
