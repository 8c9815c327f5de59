// SPDX-License-Identifier: Apache-2.0
// filter_policy: asks a service over Postfix's policy delegation protocol: docs/filter-policy.md.
#include <lsmtpd/sdk/plugin.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "policy_lane.hpp"
#include "request.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using namespace lsmtpd::policy;

struct Phase {
  std::string_view name;
  uint32_t bit;
};
constexpr std::array<Phase, 6> kPhases = {{
    {"connect", LSMTPD_PHASE_CONNECT},
    {"helo", LSMTPD_PHASE_HELO},
    {"mail", LSMTPD_PHASE_MAIL},
    {"rcpt", LSMTPD_PHASE_RCPT},
    {"data", LSMTPD_PHASE_DATA},
    {"end", kEndOfMessage},
}};

// The phases of the option, or-ed; `wrong` gets the first word that is none.
uint32_t phases_of(const sdk::Config& config, std::string& wrong) {
  uint32_t phases = 0;
  for (const std::string_view word : config.list("phases")) {
    const auto* found = std::find_if(kPhases.begin(), kPhases.end(),
                                     [&](const Phase& each) { return each.name == word; });
    if (found == kPhases.end())
      wrong = word;
    else
      phases |= found->bit;
  }
  return phases;
}

class Instance : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::required(sdk::option::string(
          "service", nullptr, "inet:HOST:PORT or unix:/PATH, as Postfix writes it")),
      sdk::option::list("phases", "rcpt",
                        "when it is asked: connect, helo, mail, rcpt, data, end (of the message)"),
      sdk::option::duration("timeout", "5s", "for one answer, the connecting included", 1, 3600000),
      sdk::option::one_of("on_error", "tempfail continue reject", "tempfail",
                          "where there is no answer, or one that cannot be carried out"),
      sdk::option::integer("connections", "10", "to the service, a worker, at most", 1, 1000),
      sdk::option::integer("waiting", "1000",
                           "requests that wait for a connection, a worker, at most", 0, 100000),
      sdk::option::duration("idle", "30s", "after that an unused connection is closed", 1,
                            86400000),
      sdk::option::boolean("dry_run", "false", "only log the answers that would change something"),
  };

  static void validate(sdk::Config config, sdk::Report report) {
    std::string problem;
    if (!parse_service(config.string("service"), problem)) report.error("service", problem);
    std::string wrong;
    const uint32_t phases = phases_of(config, wrong);
    if (!wrong.empty())
      report.error("phases", "\"" + wrong +
                                 "\" is no phase; there are: connect, helo, mail, rcpt, data, end");
    else if (phases == 0)
      report.error("phases", "at least one is needed");
  }

  Instance(sdk::Host host, sdk::Config config) : sdk::Instance(host, config) {
    std::string ignored;
    if (const auto service = parse_service(config.string("service"), ignored))
      shared_.pool.service = *service;
    shared_.pool.connections = static_cast<size_t>(config.integer("connections"));
    shared_.pool.waiting = static_cast<size_t>(config.integer("waiting"));
    shared_.pool.idle = config.duration("idle");
    shared_.phases = phases_of(config, ignored);
    shared_.timeout = config.duration("timeout");
    shared_.on_error = config.string("on_error");
    shared_.dry_run = config.boolean("dry_run");
  }

  uint32_t phases() const override { return shared_.phases & ~kEndOfMessage; }
  std::unique_ptr<Lane> open_lane(const sdk::LaneHost& lane_host) {
    return std::make_unique<Lane>(lane_host, shared_);
  }

 private:
  Shared shared_;
};

}  // namespace

LSMTPD_PLUGIN(Instance, "filter_policy", "1.0.0", "lsmtpd",
              "asks a policy service, as Postfix does");
