// SPDX-License-Identifier: Apache-2.0
// Both kinds of storage of one directory as one: files first. A daemon may make files of what is in
// the journal at any moment, so a copy that has gone from the journal is looked for in its file.
// [main]
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "file_store.hpp"
#include "journal_store.hpp"

namespace lsmtpd::json_spool {

class AllStores : public Store {
 public:
  // The error says what is wrong with the journal.
  static mail_json::Result<std::unique_ptr<AllStores>> open(Files& files,
                                                            const Directory& directory,
                                                            JournalEvents::Log log);

  bool journal_has(States states) const;  // any in these states

  // Each copy once, as far as that is known.
  mail_json::Result<void> each(States states, Order order, const Visit& visit) override;
  std::uint64_t count(State state) override;
  bool has(const CopyKey& key) override { return in_journal(key) || files_->has(key); }
  std::optional<Entry> read(const CopyKey& key, Detail detail) override;
  mail_json::Result<void> content(const CopyKey& key, const mail_json::Reader::Sink& sink) override;
  int remove(const CopyKey& key) override;
  int retry(const CopyKey& key) override;

 private:
  // `journal` may be null.
  AllStores(Files& disk, std::unique_ptr<FileStore> files, std::unique_ptr<JournalStore> journal)
      : disk_(disk), files_(std::move(files)), journal_(std::move(journal)) {}

  bool in_journal(const CopyKey& key) const { return journal_ != nullptr && journal_->has(key); }
  mail_json::Result<void> each_missed(States states, std::int64_t began_ns,
                                      const std::unordered_set<std::string>& seen,
                                      const Visit& visit);

  Files& disk_;
  const std::unique_ptr<FileStore> files_;
  const std::unique_ptr<JournalStore> journal_;
};

}  // namespace lsmtpd::json_spool
