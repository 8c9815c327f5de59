// SPDX-License-Identifier: Apache-2.0
// The edits of one filter. Only for View's own sources.
#pragma once

#include "plugin/view.hpp"

namespace lsmtpd::plugin {

// What a plugin adds counts against the memory budget from the moment it is added, for as long as
// anybody holds the message that it became part of.
struct View::Edits {
  explicit Edits(Budget& budget)
      : envelope_memory(budget), prefix_memory(budget), header_memory(budget) {}

  std::set<uint64_t> removed;
  std::vector<message::Recipient> added;
  std::optional<std::string> reverse_path;
  std::string prefix;
  HeaderEdits header;
  Reservation envelope_memory;
  Reservation prefix_memory;
  Reservation header_memory;
  std::unique_ptr<message::BodyWriter> writer;
  std::shared_ptr<const message::Body> body;

  bool edits_envelope() const { return !removed.empty() || !added.empty() || reverse_path; }
};

// Of lsmtpd.header/1: edits by number.
int32_t insert_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field);
int32_t change_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field);
int32_t remove_field(lsmtpd_edits* edits, uint64_t index);

}  // namespace lsmtpd::plugin
