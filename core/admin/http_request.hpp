// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 request, read by Boost.Beast, which no other file includes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace lsmtpd::admin {

struct Request {
  std::string method;                        // "GET"
  std::string path;                          // decoded, without the query: "/readyz"
  std::map<std::string, std::string> query;  // decoded; the last one of a name counts
  std::string host;                          // as given; empty: none
  std::string authorization;
  std::string body;
  bool local = false;  // through the Unix socket
  std::string by;      // of the Unix socket: the peer's user and process, for the log
};

class RequestReader {
 public:
  static constexpr uint32_t kLongestHead = 8u << 10, kLongestBody = 64u << 10;

  RequestReader();
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  enum class Read : uint8_t { more, done, bad, too_large };
  // Takes octets as they come, until it has said something other than more.
  Read put(std::string_view octets);
  // After done.
  Request take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "a%20b" and "a+b"; what is no escape stays as it is.
std::string percent_decoded(std::string_view text);

}  // namespace lsmtpd::admin
