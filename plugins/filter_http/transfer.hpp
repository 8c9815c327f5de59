// SPDX-License-Identifier: Apache-2.0
// One POST to the application, and what it answered. [loop]
#pragma once

#include <curl/curl.h>

#include <string>

#include "http_settings.hpp"

namespace filter_http {

class Transfer {
 public:
  // `timeout` is for the whole exchange. Throws where there is no memory.
  Transfer(const Settings& settings, std::string body, std::chrono::milliseconds timeout,
           const std::string& user_agent);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const { return easy_; }
  // After the end: the status, and the body of a 200; or the reason why there is none.
  long status() const;
  const std::string& answer() const { return answer_; }
  std::string problem(CURLcode result) const;

 private:
  static size_t on_body(char* bytes, size_t size, size_t count, void* self);
  static size_t on_header(char* bytes, size_t size, size_t count, void* self);

  const uint64_t max_answer_;
  const std::string body_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  std::string answer_;
  size_t header_octets_ = 0;
  const char* too_large_ = nullptr;
  char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace filter_http
