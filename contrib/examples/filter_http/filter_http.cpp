// SPDX-License-Identifier: Apache-2.0
// filter_http: asks an HTTP service about each message. An example of a filter with connections of
// its own, on nothing but lsmtpd's SDK and libcurl.
//
// The service gets a POST with the message as its body, and Lsmtpd-Id, -Peer, -Helo, -Sender and
// -Recipient as headers.
//     200, 204   the message goes on; each header "Lsmtpd-Add-Header: Name: value" of the answer is
//     put before it 202        it is accepted and thrown away 403        it is refused; the first
//     line of the answer's body is what the client reads others, no answer within `timeout`: try
//     later
#include "multi.hpp"
#include "transfer.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using namespace filter_http;

class Lane : public sdk::Lane, public sdk::Filter {
 public:
  Lane(const sdk::LaneHost& host, const Settings& settings, size_t most)
      : sdk::Lane(host),
        settings_(settings),
        most_(most),
        multi_(host, [this](CURL* easy, CURLcode result) { finished(easy, result); }) {}
  // Calls that are still open say "tempfail" as their transfers go.
  ~Lane() override {
    for (const auto& [easy, transfer] : transfers_) multi_.remove(easy);
  }

  void message(sdk::Call call, sdk::FilterMessage message) override {
    if (transfers_.size() >= most_) return call.tempfail({}, 0, {}, "too many questions under way");
    auto transfer =
        std::make_shared<Transfer>(host(), settings_, std::move(call), std::move(message));
    if (multi_.add(transfer->easy())) transfers_.emplace(transfer->easy(), transfer);
  }
  void cancel(lsmtpd_call call) override {
    for (auto at = transfers_.begin(); at != transfers_.end(); ++at) {
      if (at->second->id() != call) continue;
      multi_.remove(at->first);
      transfers_.erase(at);
      return;
    }
  }

 private:
  void finished(CURL* easy, CURLcode result) {
    const auto at = transfers_.find(easy);
    if (at == transfers_.end()) return;
    const std::shared_ptr<Transfer> transfer = at->second;
    multi_.remove(easy);
    transfers_.erase(at);
    transfer->finish(result);
  }

  const Settings& settings_;
  size_t most_;
  Multi multi_;
  std::map<CURL*, std::shared_ptr<Transfer>> transfers_;
};

class Instance : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::required(
          sdk::option::string("url", nullptr, "the service, http:// or https://")),
      sdk::option::secret("token", nullptr, "sent as Authorization: Bearer"),
      sdk::option::duration("timeout", "5s", "for the whole exchange", 1),
      sdk::option::duration("connect_timeout", "2s", "to reach the service", 1),
      sdk::option::integer("max_questions", "100",
                           "under way at once, a worker; more are tried later", 1, 10000),
  };
  static void validate(sdk::Config config, sdk::Report report) {
    const std::string_view url = config.string("url");
    if (url.rfind("http://", 0) != 0 && url.rfind("https://", 0) != 0)
      report.error("url", "must begin with http:// or https://");
  }

  Instance(sdk::Host host, sdk::Config config)
      : sdk::Instance(host, config),
        settings_{std::string(config.string("url")), std::string(config.string("token")),
                  config.duration("timeout"), config.duration("connect_timeout")} {}
  bool start(sdk::Report& report) override {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) return true;
    report.error("", "curl_global_init failed");
    return false;
  }
  void stop() override { curl_global_cleanup(); }
  std::unique_ptr<Lane> open_lane(const sdk::LaneHost& lane_host) {
    return std::make_unique<Lane>(lane_host, settings_,
                                  static_cast<size_t>(config().integer("max_questions")));
  }

 private:
  Settings settings_;
};

}  // namespace

LSMTPD_PLUGIN(Instance, "filter_http", "1.0.0", "lsmtpd's examples",
              "asks an HTTP service about each message");
