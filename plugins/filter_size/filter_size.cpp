// SPDX-License-Identifier: Apache-2.0
// filter_size: refuses messages over `max`. The host checks the limit of admission() at MAIL and
// while it reads the data, and EHLO announces it; a message that an earlier filter made larger is
// refused here.
#include <lsmtpd/sdk/plugin.hpp>

namespace {

namespace sdk = lsmtpd::sdk;

class SizeFilter : public sdk::SimpleFilter, public sdk::Admission {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::size("max", "10MiB", "largest message; larger ones get 552 5.3.4", 1),
  };

  SizeFilter(sdk::LaneHost host, sdk::Config config)
      : SimpleFilter(std::move(host), config), max_(config.size("max")) {}

  sdk::Capacity admission() override { return {true, max_, {}}; }

  void message(sdk::Call call, sdk::FilterMessage message) override {
    const uint64_t size = message.size();
    if (size <= max_) return call.proceed();
    call.reject("Message is larger than " + std::to_string(max_) + " bytes", 552, "5.3.4",
                "size " + std::to_string(size) + ", max " + std::to_string(max_));
  }

 private:
  uint64_t max_;
};

}  // namespace

LSMTPD_PLUGIN(SizeFilter, "filter_size", "1.0.0", "lsmtpd", "refuses messages over a size");
