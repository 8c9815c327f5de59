// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 POST over libcurl and its answer, both bounded: no redirect is followed, no proxy of
// the environment is used, and no more of an answer is read than was said.
//
// Order: header() and body() or stream(), then Multi::add(easy()); when that is done, the answer.
// It must outlive its time in the Multi. [loop]
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "peer.hpp"

namespace lsmtpd::http {

// How the server is spoken to; the same for all requests of an instance.
struct Peer {
  PeerTls tls;
  std::string proxy;  // URL; empty: none
  std::chrono::milliseconds connect_timeout{0};
};

class Exchange {
 public:
  // Gives the bytes of a request's body, piece by piece.
  class Body {
   public:
    virtual ~Body() = default;
    // The next bytes, at most `room`; kLater: not yet, Multi::resume() follows; kBroken: never.
    static constexpr std::int64_t kLater = -1;
    static constexpr std::int64_t kBroken = -2;
    virtual std::int64_t read(char* out, std::size_t room) = 0;
    // From the beginning again: a kept connection was found closed. False: it cannot.
    virtual bool rewind() = 0;
  };

  // `most` is the longest body of an answer, `kept` how much of its beginning is kept. A timeout of
  // 0 is none. Throws where there is no memory.
  Exchange(const Peer& peer, const std::string& url, std::uint64_t most, std::uint64_t kept,
           std::chrono::milliseconds timeout, const std::string& user_agent);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void header(const std::string& line);
  void body(std::string bytes);                   // from memory
  void stream(Body& body, std::uint64_t octets);  // lives as long as this
  // The connection and its handshake only; no request.
  void connect_only();
  CURL* easy();

  // After the end.
  long status() const;
  const std::string& answer() const { return answer_; }
  // Its header, or its body, was larger than what is read.
  bool header_too_large() const { return header_octets_ > kMostHeaderOctets; }
  bool body_too_large() const { return answer_octets_ > most_; }
  // Some of the request was sent.
  bool request_begun() const;
  std::string problem(CURLcode result) const;
  // Seconds of a Retry-After field, 0: none; a date becomes seconds from now.
  std::int64_t retry_after() const;

 private:
  static constexpr std::size_t kMostHeaderOctets = 32 << 10;  // of the answer, with its trailers

  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(easy_, option, value);
  }
  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* self);

  const std::uint64_t most_, kept_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  std::string bytes_;
  Body* body_ = nullptr;
  std::string answer_;
  std::uint64_t answer_octets_ = 0;
  std::size_t header_octets_ = 0;
  char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace lsmtpd::http
