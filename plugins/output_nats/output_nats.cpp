// SPDX-License-Identifier: Apache-2.0
// output_nats: messages go to a stream of NATS JetStream; stored once the server acknowledged them.
// See docs/nats.md.
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/credential_files.hpp>

#include "nats_lane.hpp"
#include "nats_option_table.hpp"

namespace lsmtpd::nats {

namespace {

class Instance : public sdk::Instance {
 public:
  using sdk::Instance::Instance;

  static constexpr auto& options = kOptions;

  static void validate(sdk::Config config, sdk::Report report) {
    Options parsed;
    (void)parse_options(config, report, &parsed);
    check_files(config, report);
    check_credentials(parsed, report);
  }

  bool start(sdk::Report& report) override {
    return parse_options(config(), report, &shared_.options) &&
           load_password(&shared_.options, report);
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
