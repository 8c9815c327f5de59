// SPDX-License-Identifier: Apache-2.0
// output_amqp091: messages go to an AMQP 0-9-1 broker (RabbitMQ); stored once the broker confirmed
// them. See docs/amqp091.md.
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/claims_command.hpp>
#include <sink/credential_files.hpp>

#include "amqp091_lane.hpp"
#include "amqp091_option_table.hpp"

namespace lsmtpd::amqp091 {

namespace {

class Instance : public sdk::Instance {
 public:
  using sdk::Instance::Instance;

  static constexpr auto& options = kOptions;
  static constexpr const char* command_name = "claims";
  static constexpr const char* command_usage = kClaimsUsage;
  static int command(sdk::Config config, const std::vector<std::string_view>& arguments,
                     sdk::Terminal terminal) {
    return run_claims(config, arguments, terminal);
  }

  static void validate(sdk::Config config, sdk::Report report) {
    Options parsed;
    (void)parse_options(config, report, &parsed);
    check_files(config, report);
    check_claim_store(parsed.claim_check, config, report);
  }

  bool start(sdk::Report& report) override {
    Options& parsed = shared_.options;
    if (!parse_options(config(), report, &parsed) || !load_password(&parsed, report)) return false;
    shared_.claims = make_claims(host(), parsed.claim_check, {parsed.format, parsed.extra});
    return true;
  }

  // Recipients are looked at only where they are part of the routing key.
  std::uint32_t phases() const override {
    return config().string("routing_key").find('{') == std::string_view::npos &&
                   config().string("exchange").find('{') == std::string_view::npos
               ? 0
               : LSMTPD_PHASE_RCPT;
  }

  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) {
    return std::make_unique<Lane>(std::move(host), shared_);
  }

 private:
  Shared shared_;
};

}  // namespace

}  // namespace lsmtpd::amqp091

LSMTPD_PLUGIN(lsmtpd::amqp091::Instance, "output_amqp091", "1.0.0", "lsmtpd",
              "puts messages into an AMQP 0-9-1 broker: RabbitMQ, with publisher confirms");
