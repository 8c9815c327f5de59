// SPDX-License-Identifier: Apache-2.0
// How `lsmtpd spool` changes messages in the journal of a running daemon: by a socket in the
// spool's directory, which only the directory's owner and root can reach. One packet is one
// request, and one its answer: "remove waiting ID", "remove dead ID", "retry ID", and 0 or an errno
// as a negative number.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "directory.hpp"
#include "filer.hpp"
#include "files.hpp"
#include "journal/journal.hpp"
#include "journal_archive.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

// The changes that both sides can make.
class JournalChanges {
 public:
  virtual ~JournalChanges() = default;
  virtual int remove(State state, const std::string& id) = 0;
  virtual int retry(const std::string& id) = 0;
};

// In a journal of this process. [any], blocks on the disk.
class OwnChanges : public JournalChanges {
 public:
  // `filer`: it makes files of what is in the journal; null: nothing does.
  OwnChanges(Files& files, const Directory& directory, journal::Journal& journal,
             Filer* filer = nullptr)
      : files_(files), directory_(directory), journal_(journal), filer_(filer) {}
  int remove(State state, const std::string& id) override;
  int retry(const std::string& id) override;

 private:
  int remove_waiting(const std::string& id);

  Files& files_;
  const Directory& directory_;
  journal::Journal& journal_;
  Filer* const filer_;
};

// The daemon's side: a thread that serves a few tools. [main]
class ChangeServer {
 public:
  ChangeServer(Files& files, const Directory& directory, journal::Journal& journal, Filer* filer)
      : files_(files), directory_(directory), changes_(files, directory, journal, filer) {}
  ~ChangeServer() { stop(); }

  // 0, or an errno as a negative number: then tools cannot change the journal while the daemon
  // runs.
  int start();
  void stop();

 private:
  static constexpr std::size_t kMostTools = 16;

  void run();
  void accept_tool(std::vector<int>& tools);
  bool serve(int tool);
  int answer(std::string_view request);

  Files& files_;
  const Directory& directory_;
  OwnChanges changes_;
  int listener_ = -1;
  int ended_ = -1;  // an eventfd
  std::thread thread_;
};

// The tool's side. [main]
class ChangeClient : public JournalChanges {
 public:
  ~ChangeClient() override;

  // False: no daemon answers there.
  bool connect(const Directory& directory);
  int remove(State state, const std::string& id) override;
  int retry(const std::string& id) override;

 private:
  int ask(const std::string& request) const;

  int socket_ = -1;
};

}  // namespace lsmtpd::json_spool
