// SPDX-License-Identifier: Apache-2.0
#include "exchange.hpp"

#include <algorithm>
#include <stdexcept>

#include "peer_tls.hpp"

namespace lsmtpd::http {

Exchange::Exchange(const Peer& peer, const std::string& url, std::uint64_t most, std::uint64_t kept,
                   std::chrono::milliseconds timeout, const std::string& user_agent)
    : most_(most), kept_(kept), easy_(curl_easy_init()) {
  if (easy_ == nullptr) throw std::runtime_error("curl_easy_init failed");
  // Over 1 MiB curl asks first (100-continue), and waits for a second where nobody answers.
  header("Expect:");
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROXY, peer.proxy.c_str());  // whatever the environment says
  set(CURLOPT_NOPROXY, "");
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // the loop must not wait for a resolver that is given up
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(peer.connect_timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_USERAGENT, user_agent.c_str());
  set(CURLOPT_ERRORBUFFER, error_);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, this);
  set_tls(peer.tls, [this](CURLoption option, auto value) { set(option, value); });
}

Exchange::~Exchange() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

void Exchange::header(const std::string& line) {
  curl_slist* longer = curl_slist_append(headers_, line.c_str());
  if (longer == nullptr) throw std::runtime_error("curl_slist_append failed");
  headers_ = longer;
}

void Exchange::body(std::string bytes) {
  bytes_ = std::move(bytes);
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(bytes_.size()));
  set(CURLOPT_POSTFIELDS, bytes_.data());
}

void Exchange::stream(Body& body, std::uint64_t octets) {
  body_ = &body;
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(octets));
  set(CURLOPT_READFUNCTION, on_read);
  set(CURLOPT_READDATA, this);
  set(CURLOPT_SEEKFUNCTION, on_seek);
  set(CURLOPT_SEEKDATA, this);
}

void Exchange::connect_only() {
  set(CURLOPT_CONNECT_ONLY, 1L);
}

CURL* Exchange::easy() {
  set(CURLOPT_HTTPHEADER, headers_);
  return easy_;
}

std::size_t Exchange::on_read(char* out, std::size_t size, std::size_t count, void* data) {
  const std::int64_t got = static_cast<Exchange*>(data)->body_->read(out, size * count);
  if (got == Body::kLater) return CURL_READFUNC_PAUSE;
  if (got == Body::kBroken) return CURL_READFUNC_ABORT;
  return static_cast<std::size_t>(got);
}

int Exchange::on_seek(void* data, curl_off_t offset, int origin) {
  auto& self = *static_cast<Exchange*>(data);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  return self.body_->rewind() ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

std::size_t Exchange::on_body(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& self = *static_cast<Exchange*>(data);
  const std::size_t octets = size * count;
  self.answer_octets_ += octets;
  if (self.body_too_large()) return 0;
  const std::size_t room = self.kept_ - std::min<std::size_t>(self.kept_, self.answer_.size());
  self.answer_.append(bytes, std::min(octets, room));
  return octets;
}

// Of interim answers (1xx) and trailers too, of which there may be any number.
std::size_t Exchange::on_header(char*, std::size_t size, std::size_t count, void* data) {
  auto& self = *static_cast<Exchange*>(data);
  self.header_octets_ += size * count;
  return self.header_too_large() ? 0 : size * count;
}

long Exchange::status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

bool Exchange::request_begun() const {
  long octets = 0;
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &octets);
  return octets > 0;
}

std::string Exchange::problem(CURLcode result) const {
  if (body_too_large()) return "the answer is larger than max_answer";
  if (header_too_large()) return "the header of the answer is larger than 32 KiB";
  return error_[0] != '\0' ? error_ : curl_easy_strerror(result);
}

std::int64_t Exchange::retry_after() const {
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
  return seconds;
}

}  // namespace lsmtpd::http
