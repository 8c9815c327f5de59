// SPDX-License-Identifier: Apache-2.0
#include "success_cache.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <stdexcept>

namespace auth_file {

SuccessCache::SuccessCache() {
  if (::getrandom(key_.data(), key_.size(), 0) != static_cast<ssize_t>(key_.size()))
    throw std::runtime_error("no random octets for a key");
}

// The name's length first: no other pair gives the same octets.
SuccessCache::Mac SuccessCache::mac_of(std::string_view user, std::string_view password) const {
  std::string text = std::to_string(user.size());
  text.reserve(text.size() + 1 + user.size() + password.size());
  text.append(":").append(user).append(password);
  Mac mac{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(),
           &size) == nullptr)
    throw std::runtime_error("HMAC failed");
  OPENSSL_cleanse(text.data(), text.size());
  return mac;
}

bool SuccessCache::knows(std::string_view user, std::string_view password, std::uint64_t now_ms) {
  const Mac mac = mac_of(user, password);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(std::string(user));
  if (found == entries_.end()) return false;
  if (now_ms >= found->second.until_ms) {
    entries_.erase(found);
    return false;
  }
  return CRYPTO_memcmp(mac.data(), found->second.mac.data(), mac.size()) == 0;
}

void SuccessCache::add(std::string_view user, std::string_view password, std::uint64_t now_ms,
                       std::uint64_t generation) {
  const Mac mac = mac_of(user, password);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (generation != generation_) return;
  if (entries_.size() >= kMost) entries_.clear();
  entries_[std::string(user)] = {mac, now_ms + kKeptMs};
}

void SuccessCache::drop_all(std::uint64_t generation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  generation_ = generation;
  entries_.clear();
}

}  // namespace auth_file
