// SPDX-License-Identifier: Apache-2.0
#include "client_options.hpp"

#include <algorithm>
#include <random>

#include "password_file.hpp"
#include "template.hpp"

namespace lsmtpd::sink {

namespace {

// AMQP_BUFFER_SIZE of LSMTPD's package is 10: every round trip to the broker would wait for ten
// messages.
constexpr std::uint32_t kInFlightFloor = 100;

void take_min_version(sdk::Config config, TlsOptions* options) {
  options->only_1_3 = config.string("tls_min_version") == "1.3";
}

bool parse_tls_peer(sdk::Config config, sdk::Report report, TlsOptions* options) {
  TlsOptions& tls = *options;
  const auto text = [&](const char* key) { return std::string(config.string(key)); };
  tls.ca = text("tls_ca");
  tls.certificate = text("tls_certificate");
  tls.key = text("tls_key");
  tls.key_password = text("tls_key_password");
  const auto verify = config.string("tls_verify");
  tls.verify = verify == "none"          ? Verify::none
               : verify == "certificate" ? Verify::certificate
                                         : Verify::name;
  if (tls.verify == Verify::none)
    report.warning("tls_verify", "anybody in between can pose as the broker");
  if (tls.certificate.empty() == tls.key.empty()) return true;
  report.error(tls.key.empty() ? "tls_key" : "tls_certificate",
               "missing: certificate and key go together");
  return false;
}

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, ClientOptions* out, const UrlKind& kind)
      : config_(config), report_(report), out_(*out), kind_(kind) {}

  bool run() {
    urls();
    dialing();
    good_ &= peer();
    take_min_version(config_, &out_.tls);
    out_.tls.name = text("tls_name");
    clear_text();
    return good_;
  }

  bool peer() {
    credentials();
    good_ &= parse_tls_peer(config_, report_, &out_.tls);
    good_ &= parse_claim_options(config_, report_, &out_.claim_check);
    limits();
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }
  std::string text(const char* key) const { return std::string(config_.string(key)); }

  void urls() {
    for (const std::string_view item : config_.list("urls")) {
      auto url = parse_url(item, kind_);
      if (url) {
        out_.urls.push_back(*std::move(url));
      } else {
        error("urls", "\"" + without_credentials(item) + "\": " + url.error());
      }
    }
    if (out_.urls.empty() && good_) error("urls", "at least one broker is needed");
  }

  void dialing() {
    out_.spread = config_.boolean("spread");
    out_.rebalance = config_.duration("rebalance");
    out_.connect_rate = static_cast<std::uint32_t>(config_.integer("connect_rate"));
  }

  void credentials() {
    out_.username = text("username");
    out_.password = text("password");
    out_.password_file = text("password_file");
    const bool secret = !out_.password.empty() || !out_.password_file.empty();
    if (!out_.password.empty() && !out_.password_file.empty())
      error("password_file", "stands beside `password`");
    if (secret && out_.username.empty()) error("username", "missing: there is a password");
  }

  void clear_text() {
    const bool secret = !out_.password.empty() || !out_.password_file.empty();
    const bool clear = std::any_of(out_.urls.begin(), out_.urls.end(), [](const Url& url) {
      const bool own = is_address(url.host) && (url.host.starts_with("127.") || url.host == "::1");
      return !url.tls && url.host != "localhost" && !own;
    });
    if (clear && secret)
      report_.warning("urls", "the password crosses the network in clear text: use " +
                                  std::string(kind_.tls) + "://");
  }

  void limits() {
    out_.connect_timeout = config_.duration("connect_timeout");
    out_.reconnect_first = config_.duration("reconnect_first");
    out_.reconnect_last = std::max(config_.duration("reconnect_last"), out_.reconnect_first);
    out_.stall = config_.duration("stall");
    out_.in_flight =
        std::max(static_cast<std::uint32_t>(config_.integer("in_flight")), kInFlightFloor);
    out_.in_flight_bytes = config_.size("in_flight_bytes");
    out_.queue = static_cast<std::uint32_t>(config_.integer("queue"));
  }

  sdk::Config config_;
  sdk::Report report_;
  ClientOptions& out_;
  const UrlKind& kind_;
  bool good_ = true;
};

}  // namespace

bool parse_template(sdk::Config config, sdk::Report report, const char* key, Template* out) {
  auto parsed = Template::parse(config.string(key));
  if (!parsed) {
    report.error(key, parsed.error());
    return false;
  }
  *out = *std::move(parsed);
  return true;
}

bool parse_tls_options(sdk::Config config, sdk::Report report, TlsOptions* options) {
  take_min_version(config, options);
  return parse_tls_peer(config, report, options);
}

bool parse_client_options(sdk::Config config, sdk::Report report, ClientOptions* options,
                          const UrlKind& kind) {
  return Parser(config, report, options, kind).run();
}

bool parse_peer_options(sdk::Config config, sdk::Report report, ClientOptions* options) {
  return Parser(config, report, options, kAmqpUrls).peer();  // without `urls`
}

bool load_password(ClientOptions* options, sdk::Report report) {
  if (options->password_file.empty()) return true;
  auto password = read_password_file(options->password_file);
  if (!password) {
    report.error("password_file", password.error());
    return false;
  }
  options->password = *std::move(password);
  if (options->password.empty())
    report.warning("password_file", options->password_file + " is empty");
  return true;
}

std::string random_tag() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device device;
  std::string tag;
  while (tag.size() < 12) tag += kHex[device() & 15U];
  return tag;
}

}  // namespace lsmtpd::sink
