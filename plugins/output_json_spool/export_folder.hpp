// SPDX-License-Identifier: Apache-2.0
// Writes messages as files, DIR/ID.eml. A file gets its name once it is whole and synced, and one
// that is there stays: an export that was interrupted goes on. Many are synced together, since the
// disk writes them at once then. [main]
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "files.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

class ExportFolder {
 public:
  static constexpr std::size_t kBatch = 128;  // files that are synced together
  static constexpr std::uint64_t kBatchBytes = 16 * 1024 * 1024;

  enum class Done { written, was_there, failed };
  // The result for one message; the problem is empty unless it failed.
  using Told = std::function<void(const CopyKey& key, Done done, const std::string& problem)>;

  ExportFolder(Files& files, Told told) : files_(files), told_(std::move(told)) {}

  // Makes the folder where it is missing. Returns what is wrong, or empty text.
  std::string open(const std::string& path);
  // Those of a batch are told of together; finish() is for the last batch.
  void add(Store& store, const CopyKey& key);
  void finish();

 private:
  struct Piece {
    CopyKey key;
    File file;
    std::string problem;
  };

  bool is_in_batch(const CopyKey& key) const;
  Piece stage(Store& store, const CopyKey& key);
  void publish(Piece& piece);

  Files& files_;
  Told told_;
  File folder_;
  std::vector<Piece> batch_;
  std::uint64_t batch_bytes_ = 0;
};

// Writes a message to a new file and makes its content durable. Returns what is wrong, or empty
// text; where something is wrong there is no file.
std::string export_file(Files& files, Store& store, const CopyKey& key, int directory,
                        const std::string& name);

}  // namespace lsmtpd::json_spool
