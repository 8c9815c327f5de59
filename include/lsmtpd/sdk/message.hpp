// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: Message, the view of a message that came with a call, with its Headers; and
// Annotations and FilterMessage, which change a message.
#pragma once

#include <chrono>
#include <vector>

#include "base.hpp"

namespace lsmtpd::sdk {

// The host's tables for messages; each may be null on an older host.
struct MessageTables {
  const lsmtpd_message_1* message = nullptr;
  const lsmtpd_annotations_1* annotations = nullptr;
  const lsmtpd_header_1* header = nullptr;
  const lsmtpd_edits_1* edits = nullptr;
};

// One field of a header; lives as long as the message.
struct HeaderField {
  std::string_view name;   // empty: the line is no field
  std::string_view value;  // folded lines as they came
  std::string_view whole;  // with its line end
};

// The header fields of a message, counted from 0 as the message came. Made by Message::headers().
class Headers {
 public:
  Headers(const lsmtpd_header_1* table, const lsmtpd_message* raw) noexcept
      : table_(table), raw_(raw), count_(table == nullptr ? -1 : table->count(raw)) {}

  // False: the header is too large, cannot be read, or there is no memory for it.
  explicit operator bool() const noexcept { return count_ >= 0; }
  uint64_t size() const noexcept { return count_ < 0 ? 0 : static_cast<uint64_t>(count_); }
  HeaderField operator[](uint64_t index) const noexcept {
    lsmtpd_header_field field{};
    field.size = sizeof field;
    if (count_ < 0 || table_->at(raw_, index, &field) == 0) return {};
    return {view(field.name), view(field.value), view(field.whole)};
  }
  // The number of the first field with this name from number `from` on; size(): there is none.
  uint64_t find(std::string_view name, uint64_t from = 0) const noexcept {
    const int64_t found = count_ < 0 ? -1 : table_->find(raw_, str(name), from);
    return found < 0 ? size() : static_cast<uint64_t>(found);
  }
  // The value of the first field with this name; empty where there is none.
  std::string_view value(std::string_view name) const noexcept {
    const uint64_t found = find(name);
    return found == size() ? std::string_view() : (*this)[found].value;
  }

 private:
  const lsmtpd_header_1* table_;
  const lsmtpd_message* raw_;
  int64_t count_;
};

// The annotations that may be set while a call is open; lsmtpd/annotations.h says when they take
// effect. [any, one thread at a time]
class Annotations {
 public:
  Annotations() noexcept = default;
  Annotations(const lsmtpd_annotations_1* table, lsmtpd_annotations* raw) noexcept
      : table_(table), raw_(raw) {}
  // An empty value removes. False: out of memory, or not allowed here.
  bool set(std::string_view key, std::string_view value) const noexcept {
    return raw_ != nullptr && table_ != nullptr && table_->set(raw_, str(key), str(value)) == 0;
  }
  // The current text; lives until the next set().
  std::string_view find(std::string_view key) const noexcept {
    return raw_ == nullptr || table_ == nullptr ? std::string_view()
                                                : view(table_->find(raw_, str(key)));
  }

 private:
  const lsmtpd_annotations_1* table_ = nullptr;
  lsmtpd_annotations* raw_ = nullptr;
};

// A message, kept alive (pinned) as long as this object or a copy of it lives. [any]
class Message {
 public:
  Message() noexcept = default;
  Message(const MessageTables& tables, const lsmtpd_message* raw) noexcept
      : tables_(tables), raw_(raw) {
    tables_.message->pin(raw_);
  }
  Message(const Message& other) noexcept : tables_(other.tables_), raw_(other.raw_) {
    if (raw_ != nullptr) tables_.message->pin(raw_);
  }
  Message(Message&& other) noexcept
      : tables_(other.tables_), raw_(std::exchange(other.raw_, nullptr)) {}
  Message& operator=(Message other) noexcept {
    std::swap(tables_, other.tables_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Message() { reset(); }

  // Unpins now.
  void reset() noexcept {
    if (raw_ != nullptr) tables_.message->unpin(std::exchange(raw_, nullptr));
  }

  explicit operator bool() const noexcept { return raw_ != nullptr; }
  const lsmtpd_message* raw() const noexcept { return raw_; }

  // Values are the client's: escape them where you write them. Lives as long as this object.
  const lsmtpd_envelope& envelope() const { return *tables_.message->envelope(raw_); }
  std::string_view id() const { return view(envelope().id); }
  uint64_t size() const { return tables_.message->size(raw_); }  // bytes of content

  // Recipient number `index`, below envelope().recipient_count.
  const lsmtpd_recipient& recipient(uint64_t index) const {
    return *lsmtpd_recipient_at(&envelope(), index);
  }

  // False: the content lies in a file. Then peek() is empty, and read() and headers() block: call
  // them from the pool (offload()).
  bool in_memory() const { return size() == 0 || tables_.message->peek(raw_, 0).size != 0; }
  // The longest piece at `offset` that lies in memory; empty at the end. Lives as long as this
  // object.
  std::string_view peek(uint64_t offset) const { return view(tables_.message->peek(raw_, offset)); }
  // Copies up to `size` bytes at `offset`: how many, 0 at the end, -1 on an I/O error.
  int64_t read(uint64_t offset, void* buffer, std::size_t size) const {
    return tables_.message->read(raw_, offset, buffer, size);
  }
  // Calls `sink(std::string_view)` with the content piece by piece; false from it ends early.
  // False: an I/O error, or ended early. Blocks where the content lies in a file.
  template <class Sink>
  bool each_piece(Sink&& sink) const {
    char buffer[16384];
    const uint64_t end = size();
    for (uint64_t offset = 0; offset < end;) {
      std::string_view piece = peek(offset);
      if (piece.empty()) {
        const int64_t count = read(offset, buffer, sizeof buffer);
        if (count <= 0) return false;
        piece = std::string_view(buffer, static_cast<std::size_t>(count));
      }
      if (!sink(piece)) return false;
      offset += piece.size();
    }
    return true;
  }
  // The first `most` bytes of content into `out`. False: an I/O error. Blocks where the content
  // lies in a file.
  bool read_into(std::string& out, uint64_t most = UINT64_MAX) const {
    out.clear();
    const uint64_t wanted = size() < most ? size() : most;
    each_piece([&](std::string_view piece) {
      out.append(piece.substr(0, static_cast<std::size_t>(wanted - out.size())));
      return out.size() < wanted;
    });
    return out.size() == wanted;
  }

  // The header fields; lives as long as this object.
  Headers headers() const { return Headers(tables_.header, raw_); }

  // An annotation of earlier filters; those that this filter sets do not show.
  std::string_view annotation(std::string_view key) const {
    return tables_.annotations == nullptr ? std::string_view()
                                          : view(tables_.annotations->get(raw_, str(key)));
  }
  // Calls `visit(key, value)` for each annotation.
  template <class Visit>
  void each_annotation(Visit&& visit) const {
    lsmtpd_str key{}, value{};
    if (tables_.annotations == nullptr) return;
    for (uint32_t i = 0; tables_.annotations->at(raw_, i, &key, &value) != 0; ++i)
      visit(view(key), view(value));
  }

 protected:
  const MessageTables& tables() const noexcept { return tables_; }

 private:
  MessageTables tables_;
  const lsmtpd_message* raw_ = nullptr;
};

// A message as a filter gets it: it can be changed while the call is open; see lsmtpd/edits.h.
// Edits are [any, one thread at a time], show after proceed() and accept() only, and return false
// where memory is short or they are not allowed.
class FilterMessage : public Message {
 public:
  FilterMessage(const MessageTables& tables, const lsmtpd_message* raw,
                const lsmtpd_filter_event* event) noexcept
      : Message(tables, raw),
        edits_(event->edits),
        annotations_(tables.annotations, event->annotations),
        deadline_(event->deadline_ms) {}

  bool annotate(std::string_view key, std::string_view value) const {
    return annotations_.set(key, value);
  }
  const Annotations& annotations() const noexcept { return annotations_; }
  bool set_reverse_path(std::string_view address) const {  // empty: the null sender
    return tables().edits->set_reverse_path(edits_, str(address)) == 0;
  }
  bool add_recipient(std::string_view address, std::string_view parameters = {}) const {
    return tables().edits->add_recipient(edits_, str(address), str(parameters)) == 0;
  }
  bool remove_recipient(uint64_t index) const {
    return tables().edits->remove_recipient(edits_, index) == 0;
  }
  bool prepend_header(std::string_view fields) const {  // whole fields with their CRLF
    return tables().edits->prepend_header(edits_, str(fields)) == 0;
  }
  // One whole field with its CRLF, before number `index` of headers(); its size(): behind the last.
  bool insert_header(uint64_t index, std::string_view field) const {
    return tables().header->insert(edits_, index, str(field)) == 0;
  }
  bool change_header(uint64_t index, std::string_view field) const {
    return tables().header->change(edits_, index, str(field)) == 0;
  }
  bool remove_header(uint64_t index) const { return tables().header->remove(edits_, index) == 0; }
  bool body_append(std::string_view bytes) const {
    return tables().edits->body_append(edits_, str(bytes)) == 0;
  }
  bool body_commit() const { return tables().edits->body_commit(edits_) == 0; }

  // Until the host stops waiting, from the moment the call came; 0: it waits.
  std::chrono::milliseconds deadline() const noexcept {
    return std::chrono::milliseconds(deadline_);
  }

 private:
  lsmtpd_edits* edits_;
  Annotations annotations_;
  uint64_t deadline_;
};

// A message that a Replay lane puts together, and hands over with loaded(). Move-only; dropped
// unless it is handed over. [any, one thread at a time]
class Making {
 public:
  Making() noexcept = default;
  Making(const lsmtpd_making_1* table, lsmtpd_making* raw) noexcept : table_(table), raw_(raw) {}
  Making(Making&& other) noexcept : table_(other.table_), raw_(other.release()) {}
  Making& operator=(Making&& other) noexcept {
    if (this != &other) {
      drop();
      table_ = other.table_;
      raw_ = other.release();
    }
    return *this;
  }
  ~Making() { drop(); }

  // False: there is no memory; answer "tempfail".
  explicit operator bool() const noexcept { return raw_ != nullptr; }
  bool append(std::string_view content) { return table_->append(raw_, str(content)) == 0; }
  bool annotate(std::string_view key, std::string_view value) {
    return table_->annotate(raw_, str(key), str(value)) == 0;
  }
  lsmtpd_making* release() noexcept { return std::exchange(raw_, nullptr); }

 private:
  void drop() noexcept {
    if (raw_ != nullptr) table_->drop(release());
  }

  const lsmtpd_making_1* table_ = nullptr;
  lsmtpd_making* raw_ = nullptr;
};

}  // namespace lsmtpd::sdk
