// SPDX-License-Identifier: Apache-2.0
// output_nats: messages go to a stream of NATS JetStream; stored once the server acknowledged them.
// See docs/nats.md.
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/claims_command.hpp>
#include <sink/credential_files.hpp>

#include "nats_lane.hpp"
#include "nats_option_table.hpp"

namespace lsmtpd::nats {

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
    check_credentials(parsed, report);
  }

  bool start(sdk::Report& report) override {
    Options& parsed = shared_.options;
    if (!parse_options(config(), report, &parsed) || !load_password(&parsed, report)) return false;
    shared_.claims = make_claims(host(), parsed.claim_check, {parsed.format, parsed.extra});
    return true;
  }

  // Recipients are looked at only where they are part of the subject.
  std::uint32_t phases() const override {
    return config().string("subject").find('{') == std::string_view::npos ? 0 : LSMTPD_PHASE_RCPT;
  }

  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) {
    return std::make_unique<Lane>(std::move(host), shared_);
  }

 private:
  Shared shared_;
};

}  // namespace

}  // namespace lsmtpd::nats

LSMTPD_PLUGIN(lsmtpd::nats::Instance, "output_nats", "1.0.0", "lsmtpd",
              "publishes messages to a stream of NATS JetStream");
