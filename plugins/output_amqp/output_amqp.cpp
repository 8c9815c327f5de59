// SPDX-License-Identifier: Apache-2.0
// output_amqp: messages go to an AMQP 1.0 broker; stored once the broker settled them as accepted.
// See docs/amqp.md.
#include <lsmtpd/sdk/plugin.hpp>

#include <sink/claims_command.hpp>
#include <sink/credential_files.hpp>
#include "amqp_lane.hpp"
#include "amqp_option_table.hpp"
#include "amqp_options.hpp"

namespace lsmtpd::amqp {

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
    shared_.options.process_tag = random_tag();
    Options& parsed = shared_.options;
    if (!parse_options(config(), report, &parsed) || !load_password(&parsed, report)) return false;
    shared_.claims = make_claims(host(), parsed.claim_check, {parsed.format, parsed.extra});
    return true;
  }

  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) {
    return std::make_unique<Lane>(std::move(host), shared_);
  }

 private:
  Shared shared_;
};

}  // namespace

}  // namespace lsmtpd::amqp

LSMTPD_PLUGIN(lsmtpd::amqp::Instance, "output_amqp", "1.0.0", "lsmtpd",
              "puts messages into an AMQP 1.0 broker: Artemis, Broker-J, RabbitMQ 3 and 4");
