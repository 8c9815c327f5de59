// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <chrono>
#include <sink/step.hpp>
#include <string>

namespace lsmtpd::output_http {

namespace {

using sink::Step;

bool reached(http::Exchange& exchange, CURLINFO point) {
  curl_off_t us = 0;
  curl_easy_getinfo(exchange.easy(), point, &us);
  return us > 0;
}

bool is_of_tls(CURLcode result) {
  switch (result) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return true;
    default:
      return false;
  }
}

std::string address_of(http::Exchange& exchange) {
  const char* address = nullptr;
  long port = 0;
  curl_easy_getinfo(exchange.easy(), CURLINFO_PRIMARY_IP, &address);
  curl_easy_getinfo(exchange.easy(), CURLINFO_PRIMARY_PORT, &port);
  return std::string(address == nullptr ? "" : address) + " port " + std::to_string(port);
}

}  // namespace

std::string_view step_of(http::Exchange& exchange, CURLcode result) {
  if (result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_COULDNT_RESOLVE_PROXY)
    return "resolve";
  if (reached(exchange, CURLINFO_PRETRANSFER_TIME_T)) return "answer";
  if (is_of_tls(result) || reached(exchange, CURLINFO_CONNECT_TIME_T)) return "tls";
  return reached(exchange, CURLINFO_NAMELOOKUP_TIME_T) ? "connect" : "resolve";
}

ProbeConnection::ProbeConnection(const sdk::LaneHost& host, const Options& options, sdk::Call call,
                                 sdk::ProbeReport report)
    : options_(options),
      call_(std::move(call)),
      report_(report),
      multi_(host, [this](CURL*, CURLcode result) { finished(result); }),
      exchange_(options.peer, options.origin + "/", options.max_answer, 0,
                std::chrono::milliseconds(0), "lsmtpd") {
  exchange_.connect_only();
  if (!multi_.add(exchange_.easy())) finished(CURLE_FAILED_INIT);
}

ProbeConnection::~ProbeConnection() {
  multi_.remove(exchange_.easy());
}

void ProbeConnection::finished(CURLcode result) {
  if (result == CURLE_OK) return passed();
  const std::string_view step = step_of(exchange_, result);
  const Step failed = step == "resolve" ? Step::resolve : step == "tls" ? Step::tls : Step::connect;
  report_.bad(sink::to_string(failed), static_cast<std::uint32_t>(failed),
              options_.url + ": " + exchange_.problem(result));
  call_.tempfail();
}

void ProbeConnection::passed() {
  const std::string via = options_.peer.proxy.empty() ? "" : ", by way of " + options_.peer.proxy;
  report_.good(sink::to_string(Step::resolve), options_.url);
  report_.good(sink::to_string(Step::connect), address_of(exchange_) + via);
  if (options_.tls)
    report_.good(sink::to_string(Step::tls), options_.peer.tls.check_issuer
                                                 ? "the certificate of the server was verified"
                                                 : "the certificate of the server is not verified");
  report_.good(sink::to_string(Step::attach),
               "no request is made, since it would be a message; a 250 rests on the server's 2xx: "
               "it has to have synced the message before");
  call_.proceed();
}

}  // namespace lsmtpd::output_http
