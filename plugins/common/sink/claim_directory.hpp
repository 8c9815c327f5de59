// SPDX-License-Identifier: Apache-2.0
// Bodies in the files of one directory, named by their keys. A file gets its name when it is whole
// and synced, and the directory is synced before put() returns, so that a reference to it holds
// over a power cut.
#pragma once

#include <string>

#include "claim_store.hpp"

namespace lsmtpd::sink {

class ClaimDirectory : public ClaimStore {
 public:
  // An absolute path.
  explicit ClaimDirectory(std::string path) : path_(std::move(path)) {}

  std::string name() const override { return "directory " + path_; }
  StoreResult put(const std::string& key, ClaimBody& body,
                  const std::atomic<bool>& dropped) override;
  std::string remove(const std::string& key) override;
  std::string probe() override;
  std::string list(const std::function<void(const StoredObject&)>& visit) override;

 private:
  const std::string path_;
};

}  // namespace lsmtpd::sink
