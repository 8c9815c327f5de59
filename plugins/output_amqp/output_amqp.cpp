// SPDX-License-Identifier: Apache-2.0
// output_amqp: messages go to an AMQP 1.0 broker; stored once the broker settled them as accepted.
// See docs/amqp.md.
#include <lsmtpd/sdk/plugin.hpp>

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

  static void validate(sdk::Config config, sdk::Report report) {
    Options parsed;
    (void)parse_options(config, report, &parsed);
    check_files(config, report);
  }

  bool start(sdk::Report& report) override {
    shared_.options.process_tag = random_tag();
    return parse_options(config(), report, &shared_.options) &&
           load_password(&shared_.options, report);
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
