// SPDX-License-Identifier: Apache-2.0
// The edits of one filter. Only for View's own sources.
#pragma once

#include "plugin/view.hpp"

namespace lsmtpd::plugin {

// Whether a text that comes in pieces has a CR without an LF behind it, or an LF without a CR
// before it.
class LineEnds {
 public:
  void add(std::string_view piece);
  bool clean() const { return !bare_ && !after_cr_; }

 private:
  bool bare_ = false, after_cr_ = false;
};

// Added octets count against the memory budget from the moment a plugin adds them, for as long as
// anybody holds the message that they became part of.
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
  uint64_t header_octets = 0;  // that were added to the header, or put there for others
  std::unique_ptr<message::BodyWriter> writer;
  LineEnds line_ends;  // of what was appended
  std::shared_ptr<const message::Body> body;

  bool edits_envelope() const { return !removed.empty() || !added.empty() || reverse_path; }
};

// Of lsmtpd.header/1: edits by number.
int32_t insert_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field);
int32_t change_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field);
int32_t remove_field(lsmtpd_edits* edits, uint64_t index);

}  // namespace lsmtpd::plugin
