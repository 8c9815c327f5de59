// SPDX-License-Identifier: Apache-2.0
#include "kafka_options.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace lsmtpd::kafka {

namespace {

constexpr std::size_t kLongestTopic = 249;
constexpr std::string_view kPort = ":9092";
// Before that, the last message of SCRAM repeats the client's nonce, which current brokers compare.
constexpr int kScramMended = 0x020601ff;

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool is_host(std::string_view host, bool bracketed) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || (bracketed && c == ':');
  });
}

// "host:port", with the port of Kafka where there is none; empty: it is none.
std::string broker(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const auto end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && end == text.npos) return {};
  const std::string_view host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  const std::string_view rest =
      end == text.npos ? std::string_view() : text.substr(bracketed ? end + 1 : end);
  if (!is_host(host, bracketed)) return {};
  if (rest.empty()) return std::string(text) + std::string(kPort);
  if (!rest.starts_with(':') || !is_port(rest.substr(1))) return {};
  return std::string(text);
}

bool is_own(const std::string& broker) {
  return broker.starts_with("127.") || broker.starts_with("localhost:") ||
         broker.starts_with("[::1]");
}

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, Options* out)
      : config_(config), report_(report), out_(*out) {}

  bool run() {
    good_ = parse_peer_options(config_, report_, &out_);
    brokers();
    target();
    login();
    out_.format = config_.string("format") == "raw" ? Format::rfc822 : Format::json;
    out_.extra = config_.boolean("extra");
    out_.property_limit = static_cast<std::uint32_t>(config_.size("property_limit"));
    out_.allow_lossy_target = config_.boolean("allow_lossy_target");
    out_.topics = static_cast<std::uint32_t>(config_.integer("topics"));
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }

  void brokers() {
    for (const std::string_view item : config_.list("brokers")) {
      std::string found = broker(item);
      if (found.empty()) {
        error("brokers", "\"" + without_credentials(item) + "\" is no host:port");
      } else {
        out_.brokers.push_back(std::move(found));
      }
    }
    if (out_.brokers.empty() && good_) error("brokers", "at least one broker is needed");
  }

  void target() {
    TargetOptions& target = out_.target;
    target.by_exchange = true;
    const bool known = parse_template(config_, report_, "topic", &target.exchange);
    good_ &= known;
    if (known && target.exchange.is_fixed() &&
        !is_topic_name(target.exchange.expand(lsmtpd_envelope{}, {})))
      error("topic", "is no name of a topic: 1 to 249 letters, digits, \".\", \"_\" and \"-\"");
    good_ &= parse_template(config_, report_, "key", &target.routing_key);
    out_.with_key = !target.routing_key.empty();
    target.split = config_.string("split") == "recipient";
  }

  void login() {
    out_.use_tls = config_.boolean("tls");
    if (!out_.use_tls && (config_.is_set("tls_ca") || config_.is_set("tls_certificate")))
      error("tls", "is false, and there are options of TLS");
    if (out_.username.empty()) {
      if (config_.is_set("sasl")) error("username", "missing: there is `sasl`");
      return;
    }
    out_.mechanism = config_.is_set("sasl") ? std::string(config_.string("sasl")) : "PLAIN";
    const bool own = std::all_of(out_.brokers.begin(), out_.brokers.end(), is_own);
    if (!out_.use_tls && !own && out_.mechanism == "PLAIN")
      report_.warning("tls", "the password crosses the network in clear text: use TLS or SCRAM");
    if (out_.mechanism.starts_with("SCRAM") && rd_kafka_version() < kScramMended)
      report_.warning("sasl",
                      std::string("Kafka from 3.9, 3.8.1 and 3.7.2 on refuses SCRAM of librdkafka "
                                  "before 2.6.1, and this is ") +
                          rd_kafka_version_str() + ": use PLAIN with TLS, or a client certificate");
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

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestTopic && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace lsmtpd::kafka
