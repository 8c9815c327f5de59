// SPDX-License-Identifier: Apache-2.0
// The bucket of claim_check, as the options name it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "tls_options.hpp"

namespace lsmtpd::sink {

struct S3Options {
  std::string endpoint;  // "https://s3.example.org:9000"
  std::string bucket;
  std::string prefix;  // of the keys: "", or it ends with "/"
  std::string region;
  // Read at each request.
  std::string access_key_file;
  std::string secret_key_file;
  TlsOptions tls;
  std::chrono::milliseconds timeout{0};
};

// "https://HOST[:PORT]/BUCKET[/PREFIX]" into the first three options. Returns what is wrong; empty:
// nothing.
std::string parse_s3_url(std::string_view url, S3Options* options);

}  // namespace lsmtpd::sink
