// SPDX-License-Identifier: Apache-2.0
// `lsmtpd check --live`: tries each broker of the list once, step by step, and attaches to the
// target.
//
// The lane hands its connection's events on while a ProbeRun exists. Each broker is reported,
// because a failover partner that does not work is found when it is needed otherwise; one failed
// step fails the probe. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "step.hpp"

namespace lsmtpd::sink {

class ProbeRun {
 public:
  // `next` is called with the number of the broker to try; after the last one the call is answered.
  ProbeRun(sdk::Call call, sdk::ProbeReport report, std::size_t brokers,
           std::function<void(std::size_t)> next)
      : call_(std::move(call)), report_(report), brokers_(brokers), next_(std::move(next)) {}

  void good(Step step, std::string_view text) { report_.good(to_string(step), text); }
  void bad(Step step, std::string_view text) {
    report_.bad(to_string(step), static_cast<std::uint32_t>(step), text);
    failed_ = true;
  }
  // Begins, or goes on to the next broker when nothing of the last one is left.
  void go_on() {
    concluded_ = false;
    if (number_ < brokers_) return next_(number_++);
    if (failed_) {
      call_.tempfail();
    } else {
      call_.proceed();
    }
  }

  // True once for each broker: what it does after its result is known is no part of that.
  bool conclude() { return !std::exchange(concluded_, true); }

 private:
  sdk::Call call_;
  sdk::ProbeReport report_;
  std::size_t brokers_;
  std::function<void(std::size_t)> next_;
  std::size_t number_ = 0;
  bool failed_ = false;
  bool concluded_ = false;
};

}  // namespace lsmtpd::sink
