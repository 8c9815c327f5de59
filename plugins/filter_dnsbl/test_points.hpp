// SPDX-License-Identifier: Apache-2.0
// Asks the test points of RFC 5782 5 at start and every hour: a list that does not list what it
// must, or lists what it must not (an expired domain that answers everything), is not asked.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <memory>
#include <string>
#include <vector>

#include "dnsbl_shared.hpp"

namespace filter_dnsbl {

class TestPoints {
 public:
  TestPoints(const sdk::LaneHost& host, Shared& shared) : host_(host), shared_(shared) {}
  void start();

 private:
  // One list's test: the point that must be listed, then the one that must not.
  struct Test {
    size_t list = 0;
    bool second = false, ipv6 = false;
    sdk::Question question;
    sdk::Timer again;
  };
  void ask(Test& test);
  void answered(Test& test, const lsmtpd_dns_answer& answer);
  void end(Test& test, const std::string& problem, std::chrono::milliseconds again);

  const sdk::LaneHost& host_;
  Shared& shared_;
  std::vector<std::unique_ptr<Test>> tests_;
};

}  // namespace filter_dnsbl
