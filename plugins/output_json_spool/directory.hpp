// SPDX-License-Identifier: Apache-2.0
// The spool's directory: made where it is missing, locked, and cleared of temporaries.
//
//   DIRECTORY/<copy_id>.json   messages
//   DIRECTORY/tmp/             files under construction; emptied at start
//   DIRECTORY/dead/            dead letters, each with <copy_id>.reason
//   DIRECTORY/quarantine/      files that could not be read
//   DIRECTORY/journal/         segments, where there is a journal (docs/spool-format.md)
//   DIRECTORY/.changes         the socket by which `lsmtpd spool` changes the journal
//   DIRECTORY/.lock            one daemon a directory; holds its pid
//   DIRECTORY/.operator-log    what `lsmtpd spool` did, until the daemon has logged it
//
// The directory itself is locked too, so that removing .lock lets no second daemon in.
//
// The daemon uses open_for_daemon() [main]; the command line open_for_reading(), which takes no
// lock and makes nothing, and open_for_storing(). Closing gives up the lock. The descriptors may be
// used from any thread.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "files.hpp"

namespace lsmtpd::json_spool {

class Directory {
 public:
  static tl::expected<Directory, std::string> open_for_daemon(Files& files,
                                                              const std::string& path);
  static tl::expected<Directory, std::string> open_for_reading(Files& files,
                                                               const std::string& path);

  // As the command line needs it to store messages: without a lock, but with all folders, which it
  // makes where they are missing; `path` itself too where `like` is given: a directory whose owner
  // it gets.
  static tl::expected<Directory, std::string> open_for_storing(Files& files,
                                                               const std::string& path,
                                                               int like = -1);
  // False: a daemon uses the directory, or another command that must be alone. While it is true
  // neither can begin.
  bool keep_others_out() const;

  const std::string& path() const { return path_; }
  int messages() const { return messages_.get(); }
  int temporary() const { return temporary_.get(); }  // -1: not there (reading only)
  int dead() const { return dead_.get(); }
  int quarantine() const { return quarantine_.get(); }
  // True if files can be made without a name and linked when they are complete.
  bool unnamed_files() const { return unnamed_files_; }
  // Returns why the path does not lead to the directory that was opened (it was renamed, removed or
  // replaced), or empty text if it does. Blocks on the disk.
  std::string misplaced(Files& files) const;

 private:
  using Step = tl::expected<void, std::string>;

  Step make(Files& files);
  Step lock(Files& files);
  Step lock_directory(Files& files);
  Step make_folders(Files& files);
  Step clear_temporaries(Files& files);
  void probe(Files& files);

  std::string path_;
  File messages_;
  File temporary_;
  File dead_;
  File quarantine_;
  File lock_;
  bool unnamed_files_ = false;
};

}  // namespace lsmtpd::json_spool
