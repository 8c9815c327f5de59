// SPDX-License-Identifier: Apache-2.0
// The copies in the files of a spool's directory. Reading takes no lock, remove unlinks, retry
// renames; files are read one by one. [main]
#pragma once

#include "directory.hpp"
#include "files.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

class FileStore : public Store {
 public:
  static constexpr std::size_t kWindow = 64 * 1024;     // copies that are put in order at a time
  static constexpr std::size_t kHeaderMax = 64 * 1024;  // of a header, where fields are looked for

  // `window` is for tests.
  FileStore(Files& files, const Directory& directory, std::size_t window = kWindow)
      : files_(files), directory_(directory), window_(window) {}

  mail_json::Result<void> each(States states, Order order, const Visit& visit) override;
  std::uint64_t count(State state) override;
  bool has(const CopyKey& key) override;
  std::optional<Entry> read(const CopyKey& key, Detail detail) override;
  mail_json::Result<void> content(const CopyKey& key, const mail_json::Reader::Sink& sink) override;
  int remove(const CopyKey& key) override;
  int retry(const CopyKey& key) override;

  // It got its name since then, by the disk's clock.
  bool is_named_since(const CopyKey& key, std::int64_t time_ns) const;

  // The folder of a state; -1: it is not there.
  int folder(State state) const;

 private:
  struct Place;

  mail_json::Result<void> each_name(States states, const Visit& visit);
  mail_json::Result<void> each_in_order(States states, const Visit& visit);
  std::string read_reason(const CopyKey& key);

  Files& files_;
  const Directory& directory_;
  const std::size_t window_;
};

}  // namespace lsmtpd::json_spool
