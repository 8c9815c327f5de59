// SPDX-License-Identifier: Apache-2.0
#include "multi.hpp"

#include <stdexcept>

namespace lsmtpd::http {

namespace {

uint32_t wanted(int what) {
  switch (what) {
    case CURL_POLL_IN:
      return LSMTPD_READABLE;
    case CURL_POLL_OUT:
      return LSMTPD_WRITABLE;
    case CURL_POLL_INOUT:
      return LSMTPD_READABLE | LSMTPD_WRITABLE;
    default:
      return 0;
  }
}

int happened(uint32_t events) {
  return ((events & LSMTPD_READABLE) ? CURL_CSELECT_IN : 0) |
         ((events & LSMTPD_WRITABLE) ? CURL_CSELECT_OUT : 0) |
         ((events & LSMTPD_FD_ERROR) ? CURL_CSELECT_ERR : 0);
}

}  // namespace

bool start() {
  return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void stop() {
  curl_global_cleanup();
}

Multi::Multi(const sdk::LaneHost& host, std::function<void(CURL*, CURLcode)> done, long kept)
    : host_(host), done_(std::move(done)), multi_(curl_multi_init()) {
  if (multi_ == nullptr) throw std::runtime_error("curl_multi_init failed");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  if (kept > 0) curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kept);
}

Multi::~Multi() {
  curl_multi_cleanup(multi_);
}

int Multi::on_socket(CURL*, curl_socket_t fd, int what, void* data, void*) {
  auto& self = *static_cast<Multi*>(data);
  if (what == CURL_POLL_REMOVE) {
    self.watches_.erase(fd);  // it may be the watch that is calling; the SDK allows that
    return 0;
  }
  const auto at = self.watches_.find(fd);
  if (at != self.watches_.end()) {
    at->second.events(wanted(what));
    return 0;
  }
  auto watch = self.host_.watch(fd, wanted(what),
                                [&self, fd](uint32_t events) { self.act(fd, happened(events)); });
  if (!watch) return -1;
  self.watches_.emplace(fd, std::move(watch));
  return 0;
}

// Curl has one timer; it must not be acted on from inside this function, so 0 ms goes through the
// loop as well.
int Multi::on_timer(CURLM*, long ms, void* data) {
  auto& self = *static_cast<Multi*>(data);
  self.timer_.cancel();
  if (ms >= 0)
    self.timer_ = self.host_.timer(std::chrono::milliseconds(ms),
                                   [&self] { self.act(CURL_SOCKET_TIMEOUT, 0); });
  return 0;
}

void Multi::act(curl_socket_t fd, int events) {
  int running = 0, left = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    // The message dies with the next call of curl's.
    CURL* easy = message->easy_handle;
    const CURLcode result = message->data.result;
    if (message->msg == CURLMSG_DONE) done_(easy, result);
  }
}

}  // namespace lsmtpd::http
