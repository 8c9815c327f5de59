// SPDX-License-Identifier: Apache-2.0
// The token and the signing keys, which stand in files and are read again when a file changes: a
// key is rotated without a reload. A file that is being replaced, is gone for a moment or is wrong
// leaves the old content.
//
// load() once, then current() at each request. All workers share one. [any]
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "webhook.hpp"

namespace lsmtpd::output_http {

class Secrets {
 public:
  struct Current {
    std::string token;      // empty: none
    std::vector<Key> keys;  // empty: nothing is signed
  };

  // [main] False: a file cannot be used, and `report` says which.
  bool load(const std::string& token_file, const std::vector<std::string>& key_files,
            sdk::Report report);
  // Looks at the files at most once a second.
  std::shared_ptr<const Current> current(const sdk::LaneHost& host);

 private:
  struct File {
    std::string path;
    bool is_token = false;
    std::string token;
    std::vector<Key> keys;
    // As it was when it was read, or found wrong.
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_ns = 0;
  };
  static bool changed(File* file);
  static std::string read(File* file);
  void gather();

  std::mutex mutex_;
  std::vector<File> files_;
  std::shared_ptr<const Current> current_ = std::make_shared<Current>();
  std::uint64_t looked_ms_ = 0;
};

}  // namespace lsmtpd::output_http
