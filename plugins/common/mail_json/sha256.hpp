// SPDX-License-Identifier: Apache-2.0
// SHA-256 of bytes that come in pieces. One thread.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

namespace lsmtpd::mail_json {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::string_view piece);
  // Once, at the end: 32 octets, or empty where OpenSSL failed.
  std::string octets();
  // The same as 64 digits.
  std::string digits();

 private:
  EVP_MD_CTX* context_;
  bool good_;
};

// "0a1b": two digits an octet.
std::string hex(std::string_view octets);

}  // namespace lsmtpd::mail_json
