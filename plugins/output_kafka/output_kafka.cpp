// SPDX-License-Identifier: Apache-2.0
// output_kafka: messages become records of a Kafka topic; stored once all replicas in sync have
// them. See docs/kafka.md.
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/credential_files.hpp>

#include "kafka_lane.hpp"
#include "kafka_option_table.hpp"

namespace lsmtpd::kafka {

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
    return parse_options(config(), report, &shared_.options) &&
           load_password(&shared_.options, report);
  }

  // Recipients are looked at only where they are part of the topic.
  std::uint32_t phases() const override {
    return config().string("topic").find('{') == std::string_view::npos ? 0 : LSMTPD_PHASE_RCPT;
  }

  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) {
    return std::make_unique<Lane>(std::move(host), shared_);
  }

 private:
  Shared shared_;
};

}  // namespace

}  // namespace lsmtpd::kafka

LSMTPD_PLUGIN(lsmtpd::kafka::Instance, "output_kafka", "1.0.0", "lsmtpd",
              "puts messages into a topic of Apache Kafka");
