// SPDX-License-Identifier: Apache-2.0
// The functions that edit: lsmtpd.edits/1, and those of lsmtpd.header/1. They check what a plugin
// may do.
#include "plugin/view_edits.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "plugin/verdict.hpp"
#include "smtp/addresses.hpp"

namespace lsmtpd::plugin {

namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}
// As MAIL and RCPT would take it, without a source route.
bool is_mailbox(std::string_view text) {
  const std::string bracketed = "<" + std::string(text) + ">";
  smtp::Path path;
  return !text.empty() && smtp::parse_path(bracketed, path) == smtp::PathFault::none &&
         path.rest.empty() && path.address == text;
}

// Any octets may stand in its content (RFC 3030).
bool is_binary(const message::Envelope& envelope) {
  std::string_view left = envelope.parameters;
  while (!left.empty()) {
    const size_t end = std::min(left.find(' '), left.size());
    if (equals_ignoring_case(left.substr(0, end), "BODY=BINARYMIME")) return true;
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return false;
}

// A message of the largest size still has room for the trace fields that filters add.
constexpr uint64_t kTraceRoom = 64u << 10;

}  // namespace

void LineEnds::add(std::string_view piece) {
  for (size_t at = 0; at < piece.size() && !bare_;) {
    if (std::exchange(after_cr_, false)) {
      bare_ = piece[at++] != '\n';
      continue;
    }
    at = std::min(piece.find_first_of("\r\n", at), piece.size());
    if (at == piece.size()) break;
    bare_ = piece[at] == '\n';
    after_cr_ = piece[at++] == '\r';
  }
}

struct EditFunctions {
  // The envelope is copied when it is edited.
  static bool begin_envelope(const View& v, View::Edits& e) {
    return e.edits_envelope() || e.envelope_memory.resize(message::memory_of(*v.message_.envelope));
  }
  // False: the header would grow beyond limits.message_size.
  static bool add_octets(const View& v, View::Edits& e, uint64_t octets) {
    const uint64_t limit = v.resources_.message_size, size = v.message_.size();
    const uint64_t room = std::max(kTraceRoom, limit > size ? limit - size : 0);
    if (limit != 0 && e.header_octets + octets > room) return false;
    e.header_octets += octets;
    return true;
  }
  static int32_t set_reverse_path(lsmtpd_edits* handle, lsmtpd_str address) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    const bool valid = address.size == 0 || is_mailbox(view(address));
    if (!e || !valid || !begin_envelope(v, *e)) return -1;
    if (!e->envelope_memory.reserve(address.size)) return -1;
    e->reverse_path = view(address);
    return 0;
  }
  static int32_t add_recipient(lsmtpd_edits* handle, lsmtpd_str address, lsmtpd_str parameters) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    const std::string_view a = view(address), p = view(parameters);
    if (!e || !is_mailbox(a) || has_control(p) || !begin_envelope(v, *e)) return -1;
    message::Recipient added{std::string(a), std::string(p)};
    if (!e->envelope_memory.reserve(message::memory_of(added))) return -1;
    e->added.push_back(std::move(added));
    return 0;
  }
  static int32_t remove_recipient(lsmtpd_edits* handle, uint64_t index) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    const uint64_t count = v.message_.envelope->recipients.size();
    if (!e || index >= count || e->removed.contains(index)) return -1;
    if (e->added.empty() && e->removed.size() + 1 == count) return -1;
    if (!begin_envelope(v, *e)) return -1;
    e->removed.insert(index);
    return 0;
  }
  static int32_t prepend_header(lsmtpd_edits* handle, lsmtpd_str fields) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    const std::string_view text = view(fields);
    if (!e || !is_header_fields(text)) return -1;
    // The fields of earlier filters are copied behind the first.
    const auto* earlier = e->prefix.empty() ? v.message_.prefix.get() : nullptr;
    if (!add_octets(v, *e, text.size())) return -1;
    if (!e->prefix_memory.reserve(text.size() + (earlier ? earlier->size() : 0))) return -1;
    e->prefix.insert(0, text);
    return 0;
  }
  static int32_t body_append(lsmtpd_edits* handle, lsmtpd_str bytes) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    if (!e) return -1;
    if (!e->writer) e->writer = std::make_unique<message::BodyWriter>(v.resources_);
    if (e->writer->wants_flush() && (v.loop_.on_thread() || !e->writer->flush())) return -1;
    const uint64_t limit = v.resources_.message_size;
    if (limit != 0 && e->writer->size() + bytes.size > limit) return -1;
    e->line_ends.add(view(bytes));
    return e->writer->append(view(bytes)) ? 0 : -1;
  }
  static int32_t body_commit(lsmtpd_edits* handle) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    if (!e || !e->writer) return -1;
    if (!e->line_ends.clean() && !is_binary(*v.message_.envelope)) return -1;
    if (e->writer->spilled() && e->writer->wants_flush() &&
        (v.loop_.on_thread() || !e->writer->flush())) {
      return -1;
    }
    e->body = e->writer->finish();
    e->writer = nullptr;
    e->line_ends = {};
    return 0;
  }
  // An edit of a field reserves its greatest cost when it is made; the first one reserves the copy
  // of the header too.
  static int32_t edit_field(lsmtpd_edits* handle, uint64_t index, bool insert,
                            std::string_view field) {
    constexpr uint64_t kNode = 96;
    View& v = *View::of(handle);
    auto* e = v.edits();
    const HeaderFields* header = v.header_if_read();
    if (!e || !header || index >= header->fields().size() + (insert ? 1 : 0)) return -1;
    if (!add_octets(v, *e, field.size())) return -1;
    const uint64_t copied = e->header.any() ? 0 : header->bytes();
    if (!e->header_memory.reserve(copied + field.size() + kNode)) return -1;
    if (insert) {
      e->header.inserted[index].emplace_back(field);
    } else {
      e->header.changed[index] = field;
    }
    return 0;
  }
};

int32_t insert_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field) {
  if (!is_one_field(view(field))) return -1;
  return EditFunctions::edit_field(edits, index, true, view(field));
}
int32_t change_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field) {
  if (!is_one_field(view(field))) return -1;
  return EditFunctions::edit_field(edits, index, false, view(field));
}
int32_t remove_field(lsmtpd_edits* edits, uint64_t index) {
  return EditFunctions::edit_field(edits, index, false, {});
}

const lsmtpd_edits_1 View::kEditsTable = {
    EditFunctions::set_reverse_path, EditFunctions::add_recipient, EditFunctions::remove_recipient,
    EditFunctions::prepend_header,   EditFunctions::body_append,   EditFunctions::body_commit};

}  // namespace lsmtpd::plugin
