// SPDX-License-Identifier: Apache-2.0
// A filter whose instance takes new options while it runs: it answers with the text that counts.
// Built without Reload too, where the macro says so.
#include <lsmtpd/sdk/plugin.hpp>

namespace {

namespace sdk = lsmtpd::sdk;

class Instance;

class Lane : public sdk::Lane, public sdk::Filter, public sdk::Control {
 public:
  Lane(sdk::LaneHost lane, const Instance& instance)
      : sdk::Lane(std::move(lane)), instance_(instance) {}
  void message(sdk::Call call, sdk::FilterMessage message) override;
  void retry_now() override { ++retries_; }

 private:
  const Instance& instance_;
  int retries_ = 0;
};

class Instance : public sdk::Instance, public sdk::Reload {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::string("text", "first", "what it answers with"),
      sdk::option::string("fixed", "a", "cannot change while it runs"),
  };
  Instance(sdk::Host host, sdk::Config config)
      : sdk::Instance(host, config), text_(config.string("text")) {}
  std::unique_ptr<Lane> open_lane(sdk::LaneHost lane) {
    return std::make_unique<Lane>(std::move(lane), *this);
  }
  bool prepare(sdk::Config config, sdk::Report& report) override {
    if (config.string("fixed") != this->config().string("fixed"))
      report.error("fixed", "cannot change while lsmtpd runs");
    next_ = config.string("text");
    return config.string("fixed") == this->config().string("fixed");
  }
  void commit() override { set(next_); }
  void abort() override { next_.clear(); }
  std::string text() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return text_;
  }

 private:
  void set(const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    text_ = text;
  }
  mutable std::mutex mutex_;
  std::string text_, next_;
};

void Lane::message(sdk::Call call, sdk::FilterMessage) {
  call.discard(instance_.text() + " " + std::to_string(retries_));
}

}  // namespace

LSMTPD_EXCLUSIVE_PLUGIN(Instance, "reload_filter", "1.0.0", "tests", "takes new options");
