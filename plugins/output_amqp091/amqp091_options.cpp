// SPDX-License-Identifier: Apache-2.0
#include "amqp091_options.hpp"

#include <algorithm>

#include "wire.hpp"

namespace lsmtpd::amqp091 {

namespace {

// RabbitMQ's own, for connections from the same host.
constexpr const char* kGuest = "guest";

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, Options* out)
      : config_(config), report_(report), out_(*out) {}

  bool run() {
    good_ = parse_client_options(config_, report_, &out_);
    target();
    message();
    login();
    out_.allow_lossy_target = config_.boolean("allow_lossy_target");
    out_.allow_unsynced_target = config_.boolean("allow_unsynced_target");
    out_.channels = static_cast<std::uint32_t>(config_.integer("channels"));
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }
  std::string text(const char* key) const { return std::string(config_.string(key)); }

  void target() {
    TargetOptions& target = out_.target;
    const std::string exchange = text("exchange");
    const std::string key = text("routing_key");
    if (exchange.empty() && key.empty())
      error("routing_key", "missing: without an exchange it names the queue");
    target.by_exchange = true;
    good_ &= parse_template(config_, report_, "exchange", &target.exchange);
    good_ &= parse_template(config_, report_, "routing_key", &target.routing_key);
    too_long("exchange", target.exchange);
    too_long("routing_key", target.routing_key);
    target.split = config_.string("split") == "recipient";
    out_.declare = text("declare");
    if (!out_.declare.empty() && (!exchange.empty() || !target.routing_key.is_fixed()))
      error("declare",
            "declares the queue that a fixed `routing_key` names; it stands beside `exchange` "
            "or a template");
    out_.unroutable_is_final = config_.string("unroutable") == "reject";
  }

  void too_long(const char* key, const Template& name) {
    if (name.is_fixed() && name.expand(lsmtpd_envelope{}, {}).size() > kLongestShortString)
      error(key, "longer than the 255 bytes that AMQP 0-9-1 allows");
  }

  void message() {
    out_.format = config_.string("format") == "rfc822" ? Format::rfc822 : Format::json;
    out_.extra = config_.boolean("extra");
    out_.copy_message_id = config_.is_set("message_id")
                               ? config_.string("message_id") == "copy"
                               : out_.target.split || out_.target.by_recipient();
    out_.max_message = config_.size("max_message");
    out_.property_limit = static_cast<std::uint32_t>(config_.size("property_limit"));
  }

  void login() {
    out_.vhost = text("vhost");
    if (out_.vhost.size() > kLongestShortString)
      error("vhost", "longer than the 255 bytes that AMQP 0-9-1 allows");
    for (const std::string_view name : config_.list("sasl")) {
      if (name != "PLAIN" && name != "AMQPLAIN" && name != "EXTERNAL")
        error("sasl",
              "\"" + std::string(name) + "\" is not known; there are PLAIN, AMQPLAIN, EXTERNAL");
      out_.mechanisms.append(out_.mechanisms.empty() ? "" : " ").append(name);
    }
    const bool certificate = config_.is_set("tls_certificate");
    if (out_.mechanisms.empty())
      out_.mechanisms = out_.username.empty() && certificate ? "EXTERNAL" : "PLAIN AMQPLAIN";
    if (out_.username.empty()) {
      out_.username = kGuest;
      out_.password = kGuest;
    }
    out_.heartbeat = static_cast<std::uint16_t>(
        std::chrono::duration_cast<std::chrono::seconds>(config_.duration("heartbeat")).count());
  }

  sdk::Config config_;
  sdk::Report report_;
  Options& out_;
  bool good_ = true;
};

}  // namespace

bool parse_options(sdk::Config config, sdk::Report report, Options* options) {
  return Parser(config, report, options).run();
}

}  // namespace lsmtpd::amqp091
