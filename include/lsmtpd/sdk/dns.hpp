// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: the answers of look-ups and of DNS questions, which live during the callback.
#pragma once

#include <string_view>

#include "base.hpp"

namespace lsmtpd::sdk {

// The addresses of a host name; `error` is empty, or says why there are none. Live during the
// callback.
struct Resolved {
  std::string_view error;
  const lsmtpd_address* addresses = nullptr;
  uint32_t stride = sizeof(lsmtpd_address);
  uint32_t count = 0;

  class Iterator {
   public:
    Iterator(const void* at, uint32_t stride) noexcept
        : at_(static_cast<const char*>(at)), stride_(stride) {}
    const lsmtpd_address& operator*() const noexcept {
      return *static_cast<const lsmtpd_address*>(static_cast<const void*>(at_));
    }
    Iterator& operator++() noexcept {
      at_ += stride_;
      return *this;
    }
    bool operator!=(const Iterator& other) const noexcept { return at_ != other.at_; }

   private:
    const char* at_;
    uint32_t stride_;
  };
  Iterator begin() const noexcept { return {addresses, stride}; }
  Iterator end() const noexcept {
    return {
        static_cast<const char*>(static_cast<const void*>(addresses)) + std::size_t{stride} * count,
        stride};
  }
};

// The records of a DNS answer, one after the other.
class DnsRecords {
 public:
  explicit DnsRecords(const lsmtpd_dns_answer& answer) noexcept : answer_(answer) {}

  class Iterator {
   public:
    Iterator(const void* at, uint32_t stride) noexcept
        : at_(static_cast<const char*>(at)), stride_(stride) {}
    const lsmtpd_dns_record& operator*() const noexcept {
      return *static_cast<const lsmtpd_dns_record*>(static_cast<const void*>(at_));
    }
    Iterator& operator++() noexcept {
      at_ += stride_;
      return *this;
    }
    bool operator!=(const Iterator& other) const noexcept { return at_ != other.at_; }

   private:
    const char* at_;
    uint32_t stride_;
  };
  Iterator begin() const noexcept { return {answer_.records, answer_.stride}; }
  Iterator end() const noexcept {
    const auto* first = static_cast<const char*>(static_cast<const void*>(answer_.records));
    return {first + std::size_t{answer_.stride} * answer_.count, answer_.stride};
  }

 private:
  const lsmtpd_dns_answer& answer_;
};

}  // namespace lsmtpd::sdk
