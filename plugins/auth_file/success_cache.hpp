// SPDX-License-Identifier: Apache-2.0
// Credentials that were right some minutes ago, so that a client that comes again and again costs
// no hash each time. Of a password only an HMAC is kept, under a random key of the process. Any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace auth_file {

class SuccessCache {
 public:
  static constexpr std::uint64_t kKeptMs = 600'000;
  static constexpr std::size_t kMost = 10'000;  // users

  SuccessCache();
  bool knows(std::string_view user, std::string_view password, std::uint64_t now_ms);
  // `generation` is that of the file that said so: one that has been read anew counts no more.
  void add(std::string_view user, std::string_view password, std::uint64_t now_ms,
           std::uint64_t generation);
  void drop_all(std::uint64_t generation);  // the file has changed

 private:
  using Mac = std::array<unsigned char, 32>;
  struct Entry {
    Mac mac;
    std::uint64_t until_ms;
  };
  Mac mac_of(std::string_view user, std::string_view password) const;

  std::array<unsigned char, 32> key_{};
  std::mutex mutex_;
  std::uint64_t generation_ = 0;
  std::unordered_map<std::string, Entry> entries_;  // by user
};

}  // namespace auth_file
