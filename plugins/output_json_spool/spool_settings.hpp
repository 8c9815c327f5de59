// SPDX-License-Identifier: Apache-2.0
// The spool's options, as the configuration gives them.
#pragma once

#include <lsmtpd/sdk/config.hpp>

#include <cstdint>
#include <string>

namespace lsmtpd::json_spool {

struct Settings {
  std::string directory;
  bool extra = true;
  std::uint64_t min_free = 0;
  std::uint64_t min_free_inodes = 0;
  std::uint64_t max_bytes = 0;  // 0: no limit
  std::int64_t max_age_ms = 0;  // 0: no limit
  std::uint32_t threads = 4;
  bool to_journal = false;
  bool recycle = true;

  static constexpr lsmtpd_option options[] = {
      sdk::option::required(sdk::option::path(
          "directory", nullptr,
          "where messages go; made (0700) if missing, in a directory that exists")),
      sdk::option::one_of(
          "layout", "files journal", "files",
          "files: a JSON file for each message, made from the journal; journal: only that, read "
          "with lsmtpd spool and by replay"),
      sdk::option::boolean(
          "recycle", "true",
          "of the journal: segments are used again; false for btrfs, ZFS and others that never "
          "write in place"),
      sdk::option::boolean(
          "extra", "true",
          "write keys beyond LSMTPD's six: peer, TLS, parameters, the spool's own"),
      sdk::option::size("min_free", "64MiB",
                        "less free space: nothing is taken, MAIL gets 452 4.3.1"),
      sdk::option::integer("min_free_inodes", "1000", "as min_free, for inodes", 0, INT64_MAX),
      sdk::option::size("max_bytes", "0", "most the messages in the spool may take; 0: no limit"),
      sdk::option::duration(
          "max_age", "120h",
          "where the spool is a fallback: with an older message waiting nothing is taken for its "
          "output if that took nothing since; else it is a dead letter, once refused again"),
      sdk::option::integer(
          "commit_threads", "4",
          "threads that write and sync content over 256 KiB, each a message at a time", 1, 64),
  };
};

Settings read_settings(const sdk::Config& config);

// Reports the errors that would make a start fail, as far as they show without a change. [main]
void check_settings(const sdk::Config& config, const sdk::Report& report);

}  // namespace lsmtpd::json_spool
