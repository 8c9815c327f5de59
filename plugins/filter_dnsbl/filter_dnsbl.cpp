// SPDX-License-Identifier: Apache-2.0
// filter_dnsbl: refuses clients, HELO names and senders' domains that lists in DNS have (RFC 5782).
// There is no list by default: which ones to trust is the operator's decision.
#include <lsmtpd/sdk/plugin.hpp>

#include "dnsbl_lane.hpp"
#include "dnsbl_settings.hpp"

namespace {

using namespace filter_dnsbl;
constexpr int64_t kLongestTimeoutMs = 60'000;
constexpr int64_t kHighestScore = 1'000'000;

constexpr lsmtpd_option kListColumns[] = {
    sdk::option::string("zone", nullptr, "the list's zone in DNS"),
    sdk::option::path("zone_file", nullptr,
                      "in the place of zone: a file with it, for a zone that holds a secret key"),
    sdk::option::string("name", nullptr, "its name in logs and replies; by default its zone"),
    sdk::option::one_of("by", "address helo sender", "address",
                        "the list's subjects: clients' addresses, HELO names, senders' domains"),
    sdk::option::one_of("kind", "block allow", "block",
                        "block adds its weight to the score, allow takes it off"),
    sdk::option::list(
        "codes", nullptr,
        "answers that count: addresses, ranges or networks in 127.0.0.0/8; by default "
        "all"),
    sdk::option::integer("weight", "1", "its part of the score", 1, 1000),
    sdk::option::boolean("test", "true",
                         "ask its test points (RFC 5782 5) at start and hourly, and the list only "
                         "while they are right"),
};

class Dnsbl : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::tables("lists", kListColumns, "the lists to ask; none by default"),
      sdk::option::integer("reject_at", "1", "refuse from this score on; 0: never", 0,
                           kHighestScore),
      sdk::option::integer("tempfail_at", "0", "answer 450 from this score on; 0: never", 0,
                           kHighestScore),
      sdk::option::one_of("at", "rcpt mail", "rcpt", "the command that is refused"),
      sdk::option::list("exempt", nullptr, "networks of clients that are not looked up"),
      sdk::option::boolean("skip_private", "true",
                           "do not look up private, loopback and link-local addresses"),
      sdk::option::string("reply", "{subject} is listed by {list} {text}",
                          "text for the client, with {subject} {address} {list} {text} {score}"),
      sdk::option::duration("timeout", "5s", "most time for all lists together", 100,
                            kLongestTimeoutMs),
      sdk::option::one_of("on_error", "continue tempfail", "continue",
                          "where a list does not answer and the others do not decide"),
      sdk::option::size("cache_size", "4MiB", "memory for answers, which all workers share",
                        64 << 10, 1 << 30),
      sdk::option::boolean("dry_run", "false", "refuse nothing, and log what would be refused"),
  };

  static void validate(sdk::Config config, sdk::Report report) {
    read_settings(config, report, false);
  }

  using sdk::Instance::Instance;

  uint32_t phases() const override {
    return config().string("at") == "mail" ? LSMTPD_PHASE_MAIL : LSMTPD_PHASE_RCPT;
  }
  bool start(sdk::Report& report) override {
    auto settings = read_settings(config(), report, true);
    if (!settings.is_right) return false;
    shared_ = std::make_unique<Shared>(host(), std::move(settings));
    return true;
  }
  std::unique_ptr<Lane> open_lane(sdk::LaneHost lane_host) {
    return std::make_unique<Lane>(std::move(lane_host), *shared_);
  }

 private:
  std::unique_ptr<Shared> shared_;
};

}  // namespace

LSMTPD_PLUGIN(Dnsbl, "filter_dnsbl", "1.0.0", "lsmtpd",
              "refuses clients and senders that lists in DNS have");
