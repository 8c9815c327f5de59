// SPDX-License-Identifier: Apache-2.0
// filter_http: asks an application over HTTP about clients, senders, recipients and messages, and
// does what it answers.
#include <lsmtpd/sdk/plugin.hpp>

#include "http_lane.hpp"
#include "http_settings.hpp"

namespace {

using namespace filter_http;

constexpr int64_t kLongestMs = 3'600'000;
constexpr int64_t kLargestBody = 64 << 20;

class Http : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::required(
          sdk::option::string("url", nullptr, "the application, http:// or https://")),
      sdk::option::list("phases", "message", "when to ask: connect, mail, rcpt, message"),
      sdk::option::size("max_body", "0B", "send so much of a message's content at most; 0: none", 0,
                        kLargestBody),
      sdk::option::path("token_file", nullptr,
                        "a file with the token that is sent as Authorization: Bearer"),
      sdk::option::path("ca_file", nullptr,
                        "certificates of issuers to trust, in the place of the system's"),
      sdk::option::path("client_certificate", nullptr, "our certificate, in PEM"),
      sdk::option::path("client_key", nullptr, "its key, in PEM"),
      sdk::option::duration("timeout", "5s", "for the whole exchange", 10, 300'000),
      sdk::option::duration("connect_timeout", "2s", "to reach the application", 10, 300'000),
      sdk::option::one_of("on_error", "tempfail continue reject", "tempfail",
                          "where there is no answer that counts"),
      sdk::option::size("max_answer", "64KiB", "largest body of an answer", 256, 1 << 20),
      sdk::option::integer("max_questions", "100",
                           "questions under way at a time, of each worker; more follow on_error", 1,
                           10'000),
      sdk::option::duration("cache_ok", "0s", "keep a good answer about a recipient", 0,
                            24 * kLongestMs),
      sdk::option::duration("cache_no", "0s", "keep a refusal of a recipient", 0, 24 * kLongestMs),
      sdk::option::one_of("cache_by", "recipient sender_recipient peer_sender_recipient",
                          "recipient", "which questions about a recipient are the same"),
      sdk::option::size("cache_size", "1MiB", "memory for those answers, of all workers", 64 << 10,
                        1 << 30),
      sdk::option::integer("breaker_failures", "5",
                           "failures in a row after which nothing is asked for a while; 0: never",
                           0, 1'000'000),
      sdk::option::duration("breaker_pause", "10s", "that while", 100, kLongestMs),
      sdk::option::boolean("dry_run", "false", "ask, but change and refuse nothing"),
  };

  static void validate(sdk::Config config, sdk::Report report) { read_settings(config, report); }

  using sdk::Instance::Instance;

  uint32_t phases() const override {
    uint32_t phases = 0;
    for (const auto phase : config().list("phases")) {
      if (phase == "connect") phases |= LSMTPD_PHASE_CONNECT;
      if (phase == "mail") phases |= LSMTPD_PHASE_MAIL;
      if (phase == "rcpt") phases |= LSMTPD_PHASE_RCPT;
    }
    return phases;
  }
  bool start(sdk::Report& report) override {
    auto settings = read_settings(config(), report);
    if (!settings.is_right) return false;
    if (!lsmtpd::http::start()) {
      report.error("", "libcurl cannot be used");
      return false;
    }
    shared_ = std::make_unique<Shared>(host(), std::move(settings));
    return true;
  }
  void stop() override { lsmtpd::http::stop(); }
  std::unique_ptr<Lane> open_lane(sdk::LaneHost lane_host) {
    return std::make_unique<Lane>(std::move(lane_host), *shared_);
  }

 private:
  std::unique_ptr<Shared> shared_;
};

}  // namespace

LSMTPD_PLUGIN(Http, "filter_http", "1.0.0", "lsmtpd",
              "asks an application over HTTP about clients, recipients and messages");
