// SPDX-License-Identifier: Apache-2.0
#include "mail_json/sha256.hpp"

#include <openssl/evp.h>

namespace lsmtpd::mail_json {

namespace {

// Fetched once: EVP_sha256() is looked up anew at each use.
const EVP_MD* sha256() {
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kFetched;
}

}  // namespace

Sha256::Sha256()
    : context_(EVP_MD_CTX_new()),
      good_(context_ != nullptr && EVP_DigestInit_ex2(context_, sha256(), nullptr) == 1) {}

Sha256::~Sha256() {
  EVP_MD_CTX_free(context_);
}

void Sha256::add(std::string_view piece) {
  good_ = good_ && EVP_DigestUpdate(context_, piece.data(), piece.size()) == 1;
}

std::string Sha256::octets() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!good_ || EVP_DigestFinal_ex(context_, digest, &size) != 1) return {};
  return {reinterpret_cast<const char*>(digest), size};
}

std::string Sha256::digits() {
  return hex(octets());
}

std::string hex(std::string_view octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(octets.size() * 2);
  for (const unsigned char octet : octets) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

}  // namespace lsmtpd::mail_json
