// SPDX-License-Identifier: Apache-2.0
// output_null: accepts every message and discards it. For load tests and for trying filters;
// promise P1 does not hold for it, so it logs a warning at each start.
#include <lsmtpd/sdk/plugin.hpp>

namespace {

namespace sdk = lsmtpd::sdk;

class Lane : public sdk::Lane, public sdk::Output {
 public:
  using sdk::Lane::Lane;
  void deliver(sdk::Call call, sdk::Message, sdk::Delivery) override { call.stored("nowhere"); }
};

class Instance : public sdk::Instance {
 public:
  using sdk::Instance::Instance;
  bool start(sdk::Report&) override {
    host().warn("this output keeps nothing: every message it takes is lost");
    return true;
  }
  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) { return std::make_unique<Lane>(host); }
};

}  // namespace

LSMTPD_PLUGIN(Instance, "output_null", "1.0.0", "lsmtpd", "takes every message and forgets it");
