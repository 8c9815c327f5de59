// SPDX-License-Identifier: Apache-2.0
// Bodies as objects of a bucket of S3, or of a service that speaks as S3 does. An object is there
// when the service has answered its PUT with 2xx; it checks the SHA-256 that comes with it.
#pragma once

#include <http/aws_request.hpp>
#include <string>

#include "claim_store.hpp"
#include "s3_options.hpp"

namespace lsmtpd::sink {

class ClaimS3 : public ClaimStore {
 public:
  explicit ClaimS3(S3Options options);

  std::string name() const override;
  // libcurl's buffers of a request, and its connection with TLS.
  std::uint64_t footprint() const override { return 192 * 1024; }
  StoreResult put(const std::string& key, ClaimBody& body,
                  const std::atomic<bool>& dropped) override;
  std::string remove(const std::string& key) override;
  std::string probe() override;
  std::string list(const std::function<void(const StoredObject&)>& visit) override;

 private:
  std::string prepare(http::AwsRequest* request, const std::string& key) const;
  StoreResult send(http::AwsRequest* request, const std::string& sha256);
  std::string list_some(std::string* token, const std::function<void(const StoredObject&)>& visit);

  const S3Options options_;
  http::AwsClient client_;
};

// Of an answer to a list: calls `visit` for each object below `prefix`, and returns the token of
// the next answer; empty: this is the last. Pure, but for the ages.
std::string read_list(std::string_view answer, std::string_view prefix,
                      const std::function<void(const StoredObject&)>& visit);

}  // namespace lsmtpd::sink
