// SPDX-License-Identifier: Apache-2.0
// The functions that edit: lsmtpd.edits/1, and those of lsmtpd.header/1. What a plugin may do is
// checked here.
#include "plugin/view_edits.hpp"

#include <algorithm>

#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}
bool is_reverse_path(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return is_control(c) || c == ' ' || c == '<' || c == '>'; });
}

}  // namespace

struct EditFunctions {
  // The envelope is copied when it is edited.
  static bool begin_envelope(const View& v, View::Edits& e) {
    return e.edits_envelope() || e.envelope_memory.resize(message::memory_of(*v.message_.envelope));
  }
  static int32_t set_reverse_path(lsmtpd_edits* handle, lsmtpd_str address) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    if (!e || !is_reverse_path(view(address)) || !begin_envelope(v, *e)) return -1;
    if (!e->envelope_memory.reserve(address.size)) return -1;
    e->reverse_path = view(address);
    return 0;
  }
  static int32_t add_recipient(lsmtpd_edits* handle, lsmtpd_str address, lsmtpd_str parameters) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    const std::string_view a = view(address), p = view(parameters);
    if (!e || a.empty() || has_control(a) || has_control(p) || !begin_envelope(v, *e)) return -1;
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
    return e->writer->append(view(bytes)) ? 0 : -1;
  }
  static int32_t body_commit(lsmtpd_edits* handle) {
    View& v = *View::of(handle);
    auto* e = v.edits();
    if (!e || !e->writer) return -1;
    if (e->writer->spilled() && e->writer->wants_flush() &&
        (v.loop_.on_thread() || !e->writer->flush())) {
      return -1;
    }
    e->body = e->writer->finish();
    e->writer = nullptr;
    return 0;
  }
  // What an edit of a field may cost is reserved when it is made; the first one pays for the copy
  // of the header.
  static int32_t edit_field(lsmtpd_edits* handle, uint64_t index, bool insert,
                            std::string_view field) {
    constexpr uint64_t kNode = 96;
    View& v = *View::of(handle);
    auto* e = v.edits();
    const HeaderFields* header = v.header_if_read();
    if (!e || !header || index >= header->fields().size() + (insert ? 1 : 0)) return -1;
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
