// SPDX-License-Identifier: Apache-2.0
#include "amqp_options.hpp"

namespace lsmtpd::amqp {

namespace {

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, Options* out)
      : config_(config), report_(report), out_(*out) {}

  bool run() {
    good_ = parse_client_options(config_, report_, &out_);
    target();
    good_ &= parse_message_fields(config_, report_, &out_.fields);
    sasl();
    names();
    limits();
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }
  std::string text(const char* key) const { return std::string(config_.string(key)); }

  void target() {
    const bool address = !config_.string("address").empty();
    const bool exchange = !config_.string("exchange").empty();
    const bool key = !config_.string("routing_key").empty();
    if (address && (exchange || key))
      error("address", "stands beside `exchange` or `routing_key`: name the target once");
    if (!address && !exchange && !key) error("address", "missing: where do the messages go?");
    TargetOptions& target = out_.target;
    target.by_exchange = !address;
    good_ &= parse_template(config_, report_, "address", &target.address);
    good_ &= parse_template(config_, report_, "exchange", &target.exchange);
    good_ &= parse_template(config_, report_, "routing_key", &target.routing_key);
    target.split = config_.string("split") == "recipient";
    out_.anonymous_terminus = config_.boolean("anonymous_terminus");
    if (out_.anonymous_terminus && config_.is_set("to"))
      error("to", "stands beside `anonymous_terminus`, where `to` is the target's address");
    if (out_.anonymous_terminus && !target.exchange.is_fixed())
      error("exchange", "is a template; with `anonymous_terminus` only `routing_key` may be one");
    out_.format = config_.string("format") == "rfc822" ? Format::rfc822 : Format::json;
    out_.extra = config_.boolean("extra");
    out_.copy_message_id = config_.is_set("message_id") ? config_.string("message_id") == "copy"
                                                        : target.split || target.by_recipient();
    out_.property_limit = static_cast<std::uint32_t>(config_.size("property_limit"));
  }

  void sasl() {
    for (const std::string_view name : config_.list("sasl")) {
      out_.mechanisms.append(out_.mechanisms.empty() ? "" : " ").append(name);
    }
    if (!out_.mechanisms.empty()) return;
    const bool certificate = config_.is_set("tls_certificate");
    out_.mechanisms = !out_.username.empty() ? "PLAIN" : certificate ? "EXTERNAL" : "ANONYMOUS";
  }

  void names() {
    out_.virtual_host = text("virtual_host");
    if (const auto vhost = text("vhost"); !vhost.empty()) {
      if (!out_.virtual_host.empty()) error("vhost", "stands beside `virtual_host`");
      out_.virtual_host = "vhost:" + vhost;
    }
    out_.container_id = text("container_id");
    out_.link_name = text("link_name");
    const auto durability = config_.string("durability");
    out_.durability = durability == "none" ? 0 : durability == "unsettled-state" ? 2 : 1;
    if (config_.is_set("capabilities")) {
      for (const auto name : config_.list("capabilities")) out_.capabilities.emplace_back(name);
    } else {
      out_.capabilities = {"queue"};
    }
    out_.allow_lossy_target = config_.boolean("allow_lossy_target");
    out_.allow_unsynced_target = config_.boolean("allow_unsynced_target");
  }

  void limits() {
    out_.idle_timeout = config_.duration("idle_timeout");
    out_.max_frame_size = static_cast<std::uint32_t>(config_.size("max_frame_size"));
    out_.links = static_cast<std::uint32_t>(config_.integer("links"));
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

}  // namespace lsmtpd::amqp
