// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.hpp"

#include <pthread.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace lsmtpd {
namespace {

constexpr size_t kUuidSize = 16;

// Counts forks: a child must not return ids from its parent's batches.
std::atomic<uint32_t> forks{0};

struct Batch {
  // getrandom() returns up to 256 bytes whole and without interruption.
  std::array<unsigned char, 256> bytes;
  size_t used = sizeof(bytes);
  uint32_t fork = 0;
};

void fetch(Batch& batch) {
  [[maybe_unused]] static const int kRegistered =
      pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  size_t got = 0;
  while (got < batch.bytes.size()) {
    const ssize_t n = getrandom(batch.bytes.data() + got, batch.bytes.size() - got, 0);
    if (n > 0) {
      got += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      std::abort();  // a repeated id loses mail at a broker that detects duplicates
    }
  }
  batch.used = 0;
}

const unsigned char* next_random() {
  thread_local Batch batch;
  const uint32_t now = forks.load(std::memory_order_relaxed);
  if (batch.used + kUuidSize > batch.bytes.size() || batch.fork != now) {
    fetch(batch);
    batch.fork = now;
  }
  const unsigned char* bytes = batch.bytes.data() + batch.used;
  batch.used += kUuidSize;
  return bytes;
}

// The two digits of each octet.
constexpr auto kPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
  return pairs;
}();

bool is_dash_position(size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

}  // namespace

std::string new_uuid() {
  std::array<unsigned char, kUuidSize> bytes;
  std::copy_n(next_random(), kUuidSize, bytes.begin());
  bytes[6] = (bytes[6] & 0x0f) | 0x40;  // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80;  // the variant of RFC 4122
  std::string text(36, '-');
  char* at = text.data();
  for (size_t i = 0; i < kUuidSize; ++i, at += 2) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    std::memcpy(at, &kPairs[bytes[i]], 2);
  }
  return text;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (is_dash_position(i) ? c != '-' : !digit) return false;
  }
  return true;
}

}  // namespace lsmtpd
