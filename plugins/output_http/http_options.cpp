// SPDX-License-Identifier: Apache-2.0
#include "http_options.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <http/url.hpp>
#include <sink/client_options.hpp>
#include <sink/http_tls.hpp>

#include "request_header.hpp"
#include "target_path.hpp"

namespace lsmtpd::output_http {

namespace {

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, Options* out)
      : config_(config), report_(report), out_(*out) {}

  bool run() {
    url();
    message();
    headers();
    statuses();
    secrets();
    peer();
    limits();
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }
  std::string text(const char* key) const { return std::string(config_.string(key)); }

  void url() {
    const std::string given = text("url");
    const auto parsed = http::parse_url(given);
    if (given.substr(0, given.find_first_of("/?#", given.find("://") + 3)).find('{') != given.npos)
      return error("url", "has a placeholder before its path: scheme and host are fixed");
    if (!parsed) return error("url", parsed.error());
    out_.url = given;
    out_.origin = parsed->origin;
    out_.tls = parsed->tls;
    own_host_ = parsed->own_host;
    auto path = sink::Template::parse(parsed->path);
    if (!path) return error("url", path.error());
    out_.target.address = *std::move(path);
    out_.target.split = config_.string("split") == "recipient";
    const lsmtpd_envelope nobody{};
    const std::string sample = out_.target.address.expand(nobody, "x");
    if (leaves_its_place(sample)) error("url", "has a \".\" or \"..\" in its path");
    if (!is_printable(sample)) error("url", "has characters that must be percent-encoded");
  }

  void message() {
    out_.format = config_.string("format") == "raw" ? sink::Format::rfc822 : sink::Format::json;
    out_.extra = config_.boolean("extra");
    out_.property_limit = static_cast<std::uint32_t>(config_.size("property_limit"));
    out_.relay_text = config_.boolean("relay_text");
    out_.max_message = config_.size("max_message");
    out_.max_answer = config_.size("max_answer");
  }

  void headers() {
    for (const auto& [name, value] : config_.map("headers")) {
      if (!is_field_name(name)) {
        error("headers", "\"" + std::string(name) + "\" is no name of a field");
      } else if (is_own_field(name)) {
        error("headers", "\"" + std::string(name) + "\" is set by lsmtpd");
      } else if (!is_printable(value)) {
        error("headers", "\"" + std::string(name) + "\" has a value that is not printable ASCII");
      } else {
        out_.headers.push_back(field(name, value));
      }
    }
  }

  void statuses() {
    out_.reject_status = {406, 410, 413, 415, 422};
    for (const std::string_view item : config_.list("reject_status")) {
      long status = 0;
      const auto [end, failed] = std::from_chars(item.data(), item.data() + item.size(), status);
      const bool whole = failed == std::errc() && end == item.data() + item.size();
      if (!whole || status < 400 || status > 599) {
        error("reject_status", "\"" + std::string(item) + "\" is no status from 400 to 599");
        continue;
      }
      if (status == 401 || status == 403 || status == 404 || status == 429 || status >= 500)
        report_.warning("reject_status", std::string(item) +
                                             " also comes from expired tokens, deployments or "
                                             "overload: mail is refused for good then");
      out_.reject_status.insert(status);
    }
  }

  void secrets() {
    out_.token_file = text("token_file");
    for (const std::string_view file : config_.list("signing_key_files"))
      out_.key_files.emplace_back(file);
    if (!out_.token_file.empty() && !out_.tls && !own_host_)
      report_.warning("url", "the token crosses the network in clear text: use https://");
    if (!out_.token_file.empty() &&
        std::any_of(out_.headers.begin(), out_.headers.end(),
                    [](const std::string& line) { return is_field(line, "authorization"); }))
      error("headers", "\"authorization\" stands beside `token_file`");
  }

  void peer() {
    http::Peer& peer = out_.peer;
    sink::TlsOptions tls;
    good_ &= sink::parse_tls_options(config_, report_, &tls);
    peer.tls = sink::http_tls(tls);
    peer.connect_timeout = config_.duration("connect_timeout");
    peer.proxy = text("proxy");
    if (peer.proxy.empty()) return;
    const auto parsed = http::parse_url(peer.proxy);
    if (!parsed) {
      error("proxy", "is no URL like http://host:port");
    } else if (parsed->path != "/") {
      error("proxy", "has a path");
    }
  }

  void limits() {
    out_.reconnect_first = config_.duration("reconnect_first");
    out_.reconnect_last = std::max(config_.duration("reconnect_last"), out_.reconnect_first);
    out_.stall = config_.duration("stall");
    out_.connections = static_cast<std::uint32_t>(config_.integer("connections"));
    out_.in_flight_bytes = config_.size("in_flight_bytes");
    out_.queue = static_cast<std::uint32_t>(config_.integer("queue"));
  }

  sdk::Config config_;
  sdk::Report report_;
  Options& out_;
  bool own_host_ = false;
  bool good_ = true;
};

}  // namespace

bool parse_options(sdk::Config config, sdk::Report report, Options* options) {
  return Parser(config, report, options).run();
}

}  // namespace lsmtpd::output_http
