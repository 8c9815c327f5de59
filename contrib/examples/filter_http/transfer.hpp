// SPDX-License-Identifier: Apache-2.0
// One question to the service: a POST with the message as its body, and what the service answered.
// Owned by the lane, [loop] only. It holds the call: destroying it unanswered says "tempfail".
#pragma once

#include <curl/curl.h>
#include <lsmtpd/sdk/plugin.hpp>

#include <memory>
#include <string>
#include <vector>

namespace filter_http {

struct Settings {
  std::string url, token;
  std::chrono::milliseconds timeout{0}, connect_timeout{0};
};

class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(const lsmtpd::sdk::LaneHost& host, const Settings& settings, lsmtpd::sdk::Call call,
           lsmtpd::sdk::FilterMessage message);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const { return easy_; }
  lsmtpd_call id() const { return call_.id(); }
  // The exchange is over: turns status and headers into the verdict.
  void finish(CURLcode result);

 private:
  static size_t on_read(char* buffer, size_t size, size_t count, void* self);
  static size_t on_body(char* bytes, size_t size, size_t count, void* self);
  static size_t on_header(char* bytes, size_t size, size_t count, void* self);
  void add_header(const char* name, std::string_view value);
  void describe(const lsmtpd_envelope& envelope);
  size_t read(char* buffer, size_t room);
  void fetch();
  bool edit();
  void decide(long status);

  lsmtpd::sdk::LaneHost host_;
  lsmtpd::sdk::Call call_;
  lsmtpd::sdk::FilterMessage message_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  uint64_t offset_ = 0;  // of what curl has got
  std::string piece_;    // of a spilled message, read by the pool
  size_t piece_used_ = 0;
  bool fetching_ = false, failed_ = false;
  std::string text_;                 // first line of the answer's body
  std::vector<std::string> fields_;  // header fields that the service wants added
  char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace filter_http
