// SPDX-License-Identifier: Apache-2.0
#include "transfer.hpp"

#include <stdexcept>

namespace filter_http {

namespace {

constexpr size_t kMostHeaderOctets = 32 << 10;  // of the answer, with its trailers

}  // namespace

Transfer::Transfer(const Settings& settings, std::string body, std::chrono::milliseconds timeout,
                   const std::string& user_agent)
    : max_answer_(settings.max_answer), body_(std::move(body)), easy_(curl_easy_init()) {
  if (easy_ == nullptr) throw std::runtime_error("curl_easy_init failed");
  for (const std::string& header :
       {std::string("Content-Type: application/json"), std::string("Accept: application/json"),
        std::string("Expect:"),
        settings.token.empty() ? std::string() : "Authorization: Bearer " + settings.token})
    if (!header.empty()) headers_ = curl_slist_append(headers_, header.c_str());
  const auto set = [this](CURLoption option, auto value) {
    curl_easy_setopt(easy_, option, value);
  };
  set(CURLOPT_URL, settings.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROXY, "");  // whatever the environment says
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.connect_timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_USERAGENT, user_agent.c_str());
  set(CURLOPT_ERRORBUFFER, error_);
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_.size()));
  set(CURLOPT_POSTFIELDS, body_.data());
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, this);
  if (!settings.ca_file.empty()) set(CURLOPT_CAINFO, settings.ca_file.c_str());
  if (settings.client_certificate.empty()) return;
  set(CURLOPT_SSLCERT, settings.client_certificate.c_str());
  set(CURLOPT_SSLKEY, settings.client_key.c_str());
}

Transfer::~Transfer() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

size_t Transfer::on_body(char* bytes, size_t size, size_t count, void* data) {
  auto& self = *static_cast<Transfer*>(data);
  if (self.answer_.size() + size * count > self.max_answer_) {
    self.too_large_ = "the answer is larger than max_answer";
    return 0;
  }
  self.answer_.append(bytes, size * count);
  return size * count;
}

// Of interim answers (1xx) and trailers too, of which there may be any number.
size_t Transfer::on_header(char*, size_t size, size_t count, void* data) {
  auto& self = *static_cast<Transfer*>(data);
  self.header_octets_ += size * count;
  if (self.header_octets_ <= kMostHeaderOctets) return size * count;
  self.too_large_ = "the header of the answer is larger than 32 KiB";
  return 0;
}

long Transfer::status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::string Transfer::problem(CURLcode result) const {
  if (too_large_ != nullptr) return too_large_;
  return error_[0] != '\0' ? error_ : curl_easy_strerror(result);
}

}  // namespace filter_http
