// SPDX-License-Identifier: Apache-2.0
// Lane, fourth part: the probe. One broker of the list after the other, each with a producer of its
// own.
#include "kafka_lane.hpp"

namespace lsmtpd::kafka {

void Lane::probe(sdk::Call call, sdk::ProbeReport report) {
  probe_ = std::make_unique<ProbeRun>(std::move(call), report, options_.brokers.size(),
                                      [this](std::size_t number) { probe_next(number); });
  host().defer([this] { probe_claims(*probe_, [this] { probe_->go_on(); }); });
}

void Lane::probe_next(std::size_t number) {
  probed_ = options_.brokers[number];
  connect();
}

void Lane::probe_steps() {
  probe_->good(Step::resolve, probed_);
  probe_->good(Step::connect, probed_);
  if (options_.use_tls)
    probe_->good(Step::tls, options_.tls.verify == Verify::none
                                ? "the certificate of the broker is not verified"
                                : "the certificate of the broker was verified");
  if (!options_.mechanism.empty()) probe_->good(Step::sasl, options_.mechanism);
}

void Lane::probe_failed(Step step, const std::string& why) {
  if (!probe_->conclude()) return;
  probe_->bad(step, probed_ + ": " + why);
  retire("probed");
}

void Lane::probe_done() {
  if (!probe_->conclude()) return;
  retire("probed");
}

}  // namespace lsmtpd::kafka
