// SPDX-License-Identifier: Apache-2.0
// Takes stored messages from one directory to another, for `import` and `move`: each is durable at
// its new place before it goes at the old one, so that an end at any moment loses nothing, and the
// same command goes on where it ended. A message may then be at both places for a moment. [main]
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "directory.hpp"
#include "file_store.hpp"

namespace lsmtpd::json_spool {

class Relocation {
 public:
  static constexpr std::size_t kBatch = 128;  // messages made durable together
  static constexpr std::uint64_t kBatchBytes = 16 * 1024 * 1024;

  struct Settings {
    bool check = false;     // each waiting message must be whole
    bool link = true;       // a second name where both are on one file system, else a copy
    bool new_time = false;  // of the file: it begins to wait now
  };
  // The result for one message; the problem is empty where it is at its new place.
  using Told = std::function<void(const CopyKey& key, const std::string& problem)>;

  Relocation(Files& files, const Directory& from, const Directory& to, Settings settings,
             Told told);

  // The messages of a batch are told of together.
  void add(const CopyKey& key);
  void finish();

 private:
  struct Piece {
    CopyKey key;
    File file;              // a copy, not yet synced; none: a link, or it was there already
    std::string temporary;  // its name in tmp/ of the new place
    std::string problem;
  };

  Piece stage(const CopyKey& key);
  void stage_copy(Piece& piece, int source, const FileInfo& info);
  void take_reason(Piece& piece);
  void publish(Piece& piece);
  void settle_taken_name(Piece& piece);
  std::string copy_all(int source, int target);
  std::string fault_of(const CopyKey& key);
  bool same_content(const CopyKey& key);

  Files& files_;
  const FileStore from_;
  const FileStore to_;
  const Directory& target_;
  FileStore reader_;
  const Settings settings_;
  Told told_;
  std::vector<Piece> batch_;
  std::uint64_t batch_bytes_ = 0;
};

}  // namespace lsmtpd::json_spool
