// SPDX-License-Identifier: Apache-2.0
// Where bodies are stored apart, as the threads of Claims see it: all functions block, and any
// thread may call them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "source.hpp"

namespace lsmtpd::sink {

// The bytes of one body, which a store reads once or more often.
class ClaimBody {
 public:
  using Make = std::function<std::unique_ptr<Source>()>;
  // `first` is prepared; `make` gives further ones. `buffer` outlives it.
  ClaimBody(std::unique_ptr<Source> first, Make make, std::string* buffer)
      : source_(std::move(first)), make_(std::move(make)), buffer_(*buffer) {}

  std::uint64_t size() const { return source_->size(); }
  // The next bytes; empty: the end, or failed().
  std::string_view next();
  // From the beginning again. False: failed().
  bool rewind();
  bool failed() const { return failed_; }  // the content could not be read

 private:
  std::unique_ptr<Source> source_;
  Make make_;
  std::string& buffer_;
  std::uint64_t given_ = 0;
  bool failed_ = false;
};

struct StoreResult {
  bool no_space = false;
  std::string why;  // it failed; empty: it is stored
  std::string location;
  std::string sha256;  // 64 digits
};

// An object of the store.
struct StoredObject {
  std::string key;
  std::uint64_t size = 0;
  std::int64_t age_s = 0;  // since it was last stored
};

class ClaimStore {
 public:
  virtual ~ClaimStore() = default;
  virtual std::string name() const = 0;  // for the log
  // Octets that one of the functions below takes, beside the buffer of a body.
  virtual std::uint64_t footprint() const { return 0; }
  // Stores the body durably, in place of one with the same key. `dropped`: nobody waits any more.
  virtual StoreResult put(const std::string& key, ClaimBody& body,
                          const std::atomic<bool>& dropped) = 0;
  // These return why it failed; empty: it did not.
  // Also well where there is none.
  virtual std::string remove(const std::string& key) = 0;
  // Stores something and removes it.
  virtual std::string probe() = 0;
  // Of all objects, in no order.
  virtual std::string list(const std::function<void(const StoredObject&)>& visit) = 0;
};

}  // namespace lsmtpd::sink
