// SPDX-License-Identifier: Apache-2.0
// filter_headers: puts header fields before a message: Return-Path, Received, and fields that the
// operator defines, with values of the client in them. All of them are off by default: lsmtpd does
// not change mail by itself.
#include <lsmtpd/sdk/plugin.hpp>

#include "fields.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using namespace filter_headers;

class HeadersFilter : public sdk::SimpleFilter {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::boolean("received", "false", "add a Received field (RFC 5321 4.4)"),
      sdk::option::boolean("return_path", "false",
                           "add a Return-Path field with the envelope's sender"),
      sdk::option::map(
          "add", nullptr,
          "fields to add, with {id} {peer_address} {helo} {listener} {reverse_path} {protocol} "
          "{auth_user} {hostname} filled in"),
  };

  static void validate(sdk::Config config, sdk::Report report) {
    const auto fields = config.map("add");
    for (const auto& [name, value] : fields) {
      if (!is_field_name(name))
        report.error("add", "\"" + std::string(name) + "\" is no name of a header field");
      const std::string problem = Template().parse(value);
      if (!problem.empty()) report.error("add", std::string(name) + ": " + problem);
    }
    if (fields.empty() && !config.boolean("received") && !config.boolean("return_path"))
      report.warning("", "adds nothing: set received, return_path or add");
  }

  HeadersFilter(sdk::LaneHost host, sdk::Config config)
      : SimpleFilter(std::move(host), config),
        received_(config.boolean("received")),
        return_path_(config.boolean("return_path")) {
    for (const auto& [name, value] : config.map("add")) {
      fields_.emplace_back(name, Template());
      fields_.back().second.parse(value);
    }
  }

  void message(sdk::Call call, sdk::FilterMessage message) override {
    const lsmtpd_envelope& envelope = message.envelope();
    std::string text;
    if (return_path_) text += return_path(envelope);
    if (received_) text += received(envelope, host().hostname());
    for (const auto& [name, value] : fields_)
      text += field(name, value.expand(envelope, host().hostname()));
    if (!text.empty() && !message.prepend_header(text))
      return call.tempfail("Insufficient system storage, try again later", 452, "4.3.1",
                           "no memory for the header fields");
    call.proceed();
  }

 private:
  bool received_, return_path_;
  std::vector<std::pair<std::string, Template>> fields_;
};

}  // namespace

LSMTPD_PLUGIN(HeadersFilter, "filter_headers", "1.0.0", "lsmtpd",
              "adds Received and chosen header fields");
