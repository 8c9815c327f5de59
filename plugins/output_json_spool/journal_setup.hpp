// SPDX-License-Identifier: Apache-2.0
// Everything of a spool that its journal needs. Each message goes there first, and where files are
// wanted from there to its file. [main]
#pragma once

#include <memory>
#include <string>

#include "archive.hpp"
#include "change_socket.hpp"
#include "filer.hpp"
#include "journal_archive.hpp"
#include "journal_events.hpp"
#include "journal_message.hpp"
#include "keeper.hpp"
#include "spool_settings.hpp"

namespace lsmtpd::json_spool {

class JournalSetup {
 public:
  // The error says what is wrong with it.
  static mail_json::Result<std::unique_ptr<JournalSetup>> open(Files& files,
                                                               const Directory& directory,
                                                               const Settings& settings,
                                                               JournalEvents::Log log);

  journal::Journal& journal() { return *journal_; }
  JournalArchive& archive() { return *archive_; }
  JournalTarget& target() { return *target_; }

  // Then lanes may use it. A copy that is stored replaces the one of its id in a file. `filer`:
  // null where messages stay in the journal.
  void serve(Capacity& capacity, Archive& file_archive, Keeper& keeper, Filer* filer);
  // After the lanes and the filer.
  void end();

 private:
  JournalSetup(Files& files, const Directory& directory, JournalEvents::Log log)
      : files_(files), directory_(directory), events_(files, directory, std::move(log)) {}

  Files& files_;
  const Directory& directory_;
  JournalEvents events_;
  File folder_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<JournalArchive> archive_;
  std::unique_ptr<JournalTarget> target_;
  std::unique_ptr<ChangeServer> changes_;
};

}  // namespace lsmtpd::json_spool
