// SPDX-License-Identifier: Apache-2.0
#include "http_settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "http/url.hpp"
#include "secret_files/secret_files.hpp"

namespace filter_http {

namespace {

class Reader {
 public:
  Reader(const sdk::Config& config, const sdk::Report& report) : config_(config), report_(report) {}

  Settings all() {
    url();
    phases();
    files();
    settings_.max_body = config_.size("max_body");
    settings_.max_answer = config_.size("max_answer");
    settings_.timeout = config_.duration("timeout");
    settings_.peer.connect_timeout = config_.duration("connect_timeout");
    settings_.max_questions = static_cast<uint32_t>(config_.integer("max_questions"));
    const auto on_error = config_.string("on_error");
    settings_.on_error = on_error == "continue" ? OnError::proceed
                         : on_error == "reject" ? OnError::reject
                                                : OnError::tempfail;
    settings_.cache_ok = config_.duration("cache_ok");
    settings_.cache_no = config_.duration("cache_no");
    settings_.cache_size = config_.size("cache_size");
    const auto by = config_.string("cache_by");
    settings_.cache_by = by == "recipient"          ? CacheBy::recipient
                         : by == "sender_recipient" ? CacheBy::sender_recipient
                                                    : CacheBy::peer_sender_recipient;
    settings_.breaker_failures = static_cast<uint32_t>(config_.integer("breaker_failures"));
    settings_.breaker_pause = config_.duration("breaker_pause");
    settings_.dry_run = config_.boolean("dry_run");
    if (!settings_.at_message && settings_.max_body > 0)
      report_.warning("max_body", "has no effect: phases has no \"message\"");
    return std::move(settings_);
  }

 private:
  void error(const std::string& key, const std::string& message) {
    report_.error(key, message);
    settings_.is_right = false;
  }

  void url() {
    settings_.url = config_.string("url");
    const auto parsed = lsmtpd::http::parse_url(settings_.url);
    if (!parsed) return error("url", parsed.error());
    if (!parsed->tls && !parsed->own_host && !config_.path("token_file").empty())
      report_.warning("url", "the token crosses the network in clear text: use https://");
  }

  void phases() {
    for (const auto phase : config_.list("phases")) {
      if (phase == "connect") {
        settings_.phases |= LSMTPD_PHASE_CONNECT;
      } else if (phase == "mail") {
        settings_.phases |= LSMTPD_PHASE_MAIL;
      } else if (phase == "rcpt") {
        settings_.phases |= LSMTPD_PHASE_RCPT;
      } else if (phase == "message") {
        settings_.at_message = true;
      } else {
        error("phases", "\"" + std::string(phase) +
                            "\" is none of \"connect\", \"mail\", \"rcpt\", \"message\"");
      }
    }
    if (settings_.phases == 0 && !settings_.at_message)
      error("phases", "is empty: nothing is asked");
  }

  void files() {
    settings_.peer.tls.ca = config_.path("ca_file");
    settings_.peer.tls.certificate = config_.path("client_certificate");
    settings_.peer.tls.key = config_.path("client_key");
    if (settings_.peer.tls.certificate.empty() != settings_.peer.tls.key.empty())
      error(settings_.peer.tls.key.empty() ? "client_key" : "client_certificate",
            "a client certificate needs both of them");
    for (const char* key : {"ca_file", "client_certificate", "client_key"}) {
      const std::string path = config_.path(key);
      if (!path.empty() && ::access(path.c_str(), R_OK) != 0) error(key, "cannot read " + path);
    }
    read_token();
    for (const char* key : {"client_key", "token_file"})
      lsmtpd::secret_files::warn_if_public(report_, key, std::string(config_.path(key)));
  }

  void read_token() {
    const std::string path = config_.path("token_file");
    if (path.empty()) return;
    std::ifstream file(path);
    if (!std::getline(file, settings_.token)) return error("token_file", "cannot read " + path);
    while (!settings_.token.empty() &&
           (settings_.token.back() == '\r' || settings_.token.back() == ' '))
      settings_.token.pop_back();
    if (settings_.token.empty() || !std::all_of(settings_.token.begin(), settings_.token.end(),
                                                [](char c) { return c > 0x20 && c < 0x7f; }))
      error("token_file", "its first line is no token");
  }

  const sdk::Config& config_;
  const sdk::Report& report_;
  Settings settings_;
};

}  // namespace

Settings read_settings(const sdk::Config& config, const sdk::Report& report) {
  return Reader(config, report).all();
}

}  // namespace filter_http
