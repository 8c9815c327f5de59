// SPDX-License-Identifier: Apache-2.0
// output_http: messages go to an HTTP server, one POST each; stored once it has answered 2xx. See
// docs/http.md.
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/credential_files.hpp>

#include "http_lane.hpp"
#include "http_option_table.hpp"

namespace lsmtpd::output_http {

namespace {

class Instance : public sdk::Instance {
 public:
  using sdk::Instance::Instance;

  static constexpr auto& options = kOptions;

  static void validate(sdk::Config config, sdk::Report report) {
    Options parsed;
    (void)parse_options(config, report, &parsed);
    sink::check_tls_files(config, report);
    Secrets secrets;
    (void)secrets.load(parsed.token_file, parsed.key_files, report);
  }

  bool start(sdk::Report& report) override {
    if (!parse_options(config(), report, &shared_.options) ||
        !shared_.secrets.load(shared_.options.token_file, shared_.options.key_files, report))
      return false;
    if (http::start()) return true;
    report.error("", "libcurl cannot be used");
    return false;
  }
  void stop() override { http::stop(); }

  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) {
    return std::make_unique<Lane>(std::move(host), shared_);
  }

 private:
  Shared shared_;
};

}  // namespace

}  // namespace lsmtpd::output_http

LSMTPD_PLUGIN(lsmtpd::output_http::Instance, "output_http", "1.0.0", "lsmtpd",
              "posts messages to an HTTP server, as JSON or as they came");
