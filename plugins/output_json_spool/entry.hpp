// SPDX-License-Identifier: Apache-2.0
// One file of the spool as the command line shows it. Everything is read at once, in bounded
// memory, and may have vanished by then. [main]
#pragma once

#include <mail_json/mail_reader.hpp>
#include <optional>
#include <string>
#include <vector>

#include "directory.hpp"
#include "files.hpp"

namespace lsmtpd::json_spool {

// One of the three places where messages are.
struct Place {
  const char* state;  // "waiting", "dead", "quarantine"
  int directory;      // -1: it is not there
};

struct Entry {
  std::string id;
  const char* state = "";
  std::uint64_t size = 0;  // of the file
  std::string problem;     // why it cannot be read; then `mail` is empty
  mail_json::StoredMail mail;
  std::string reason;  // of a dead letter
};

// Returns nothing if the file has vanished.
std::optional<Entry> read_entry(Files& files, const Place& place, const std::string& id);

// The content, in pieces; the error says what is wrong with the file.
mail_json::Result<void> read_content(Files& files, const Place& place, const std::string& id,
                                     const mail_json::Reader::Sink& sink);

// A line for `ls`, and the whole for `show`; safe for a terminal.
std::string entry_line(const Entry& entry);
std::string entry_text(const Entry& entry);
// One JSON object and a line end.
std::string entry_json(const Entry& entry);

}  // namespace lsmtpd::json_spool
