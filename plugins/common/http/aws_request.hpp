// SPDX-License-Identifier: Apache-2.0
// One request to a service that checks Amazon's signatures (SigV4), over a libcurl that is loaded
// at the first use: most outputs to brokers need none. It blocks. [any]
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "peer.hpp"

namespace lsmtpd::http {

struct AwsPeer {
  std::string region;
  std::string service;  // "s3"
  PeerTls tls;
};

struct AwsRequest {
  enum class Verb { get, put, remove };
  Verb verb = Verb::get;
  std::string url;  // percent-encoded; parameters of the query sorted by name
  std::vector<std::string> headers;
  std::string access_key;
  std::string secret_key;
  // Of put. `read` gives the next bytes, empty: the end, or that there is a fault; `rewind` begins
  // again, false: it cannot.
  std::uint64_t size = 0;
  std::function<std::string_view()> read;
  std::function<bool()> rewind;
  std::size_t most_answer = 4096;  // octets of the answer that are kept
  std::chrono::milliseconds timeout{0};
  const std::atomic<bool>* dropped = nullptr;  // true: it ends soon
};

struct AwsAnswer {
  std::string why;  // there was no answer; empty: there was one
  long status = 0;
  std::string body;
};

// Keeps connections, for as many threads as use it.
class AwsClient {
 public:
  explicit AwsClient(AwsPeer peer);
  ~AwsClient();
  AwsClient(const AwsClient&) = delete;
  AwsClient& operator=(const AwsClient&) = delete;

  // Why there is no libcurl; empty: there is one.
  static std::string missing();
  AwsAnswer ask(const AwsRequest& request);

 private:
  struct Handles;
  const AwsPeer peer_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace lsmtpd::http
