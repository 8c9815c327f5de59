// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: Call, the one answer to one question of the host, and Message, the view of a message
// that came with it.
#pragma once

#include "base.hpp"

namespace lsmtpd::sdk {

// A question the host waits for. Move-only; answer it once, from any thread, before the lane is
// closed. Dropped without an answer it says "tempfail" by itself, so that no path through a plugin
// leaves a client hanging.
class Call {
 public:
  Call() noexcept = default;
  Call(const lsmtpd_host* host, lsmtpd_call id) noexcept : host_(host), id_(id) {}
  Call(Call&& other) noexcept
      : host_(std::exchange(other.host_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  Call& operator=(Call&& other) noexcept {
    if (this != &other) {
      drop();
      host_ = std::exchange(other.host_, nullptr);
      id_ = std::exchange(other.id_, 0);
    }
    return *this;
  }
  ~Call() { drop(); }

  // The id that cancel() names. 0 after the answer.
  lsmtpd_call id() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ != 0; }

  // Filter: go on, with the edits that were made.
  void proceed() noexcept { answer(LSMTPD_CONTINUE, 0, {}, {}, {}); }
  // Output: it is safe now; `detail` says where, for the log.
  void stored(std::string_view detail = {}) noexcept { answer(LSMTPD_STORED, 0, {}, {}, detail); }
  // Refused for good. The client reads `text`; `code` is a 5xx (0: the default), `enhanced` an RFC
  // 3463 code of its class; `detail` is for the log.
  void reject(std::string_view text, uint32_t code = 0, std::string_view enhanced = {},
              std::string_view detail = {}) noexcept {
    answer(LSMTPD_REJECT, code, enhanced, text, detail);
  }
  // Not now: 4xx for the client, or the fallback of an output.
  void tempfail(std::string_view text = {}, uint32_t code = 0, std::string_view enhanced = {},
                std::string_view detail = {}) noexcept {
    answer(LSMTPD_TEMPFAIL, code, enhanced, text, detail);
  }
  // Filter: 250 for the client, and the message goes nowhere; `detail` says why, for the log.
  void discard(std::string_view detail = {}) noexcept { answer(LSMTPD_DISCARD, 0, {}, {}, detail); }
  // Any verdict. An answer after the first does nothing.
  void complete(const lsmtpd_verdict& verdict) noexcept {
    if (id_ == 0) return;
    const lsmtpd_host* host = host_;
    host->complete(host, release(), &verdict);
  }

  // Takes the duty to answer away from this object.
  lsmtpd_call release() noexcept {
    host_ = nullptr;
    return std::exchange(id_, 0);
  }

 private:
  void answer(uint32_t kind, uint32_t code, std::string_view enhanced, std::string_view text,
              std::string_view detail) noexcept {
    const lsmtpd_verdict verdict = {sizeof(lsmtpd_verdict), kind,      code,       0,
                                    str(enhanced),          str(text), str(detail)};
    complete(verdict);
  }
  void drop() noexcept {
    if (id_ == 0 || detail::Guard::park(host_, id_)) return;
    tempfail({}, 0, {}, "dropped by the plugin");
  }

  const lsmtpd_host* host_ = nullptr;
  lsmtpd_call id_ = 0;
};

// A message, kept alive (pinned) as long as this object or a copy of it lives. Reading is [any];
// edits are [any, one thread at a time, while the call is open] and return false where memory is
// short or they are not allowed.
class Message {
 public:
  Message() noexcept = default;
  Message(const lsmtpd_message_1* table, const lsmtpd_message* raw) noexcept
      : table_(table), raw_(raw) {
    table_->pin(raw_);
  }
  Message(const Message& other) noexcept : table_(other.table_), raw_(other.raw_) {
    if (raw_ != nullptr) table_->pin(raw_);
  }
  Message(Message&& other) noexcept
      : table_(other.table_), raw_(std::exchange(other.raw_, nullptr)) {}
  Message& operator=(Message other) noexcept {
    std::swap(table_, other.table_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Message() { reset(); }

  // Owns a pin that exists already: what replay_host->make() returned.
  static Message adopt(const lsmtpd_message_1* table, const lsmtpd_message* raw) noexcept {
    Message message;
    message.table_ = table;
    message.raw_ = raw;
    return message;
  }
  // Gives the pin away, for replay_host->loaded().
  const lsmtpd_message* release() noexcept { return std::exchange(raw_, nullptr); }
  // Unpins now.
  void reset() noexcept {
    if (raw_ != nullptr) table_->unpin(std::exchange(raw_, nullptr));
  }

  explicit operator bool() const noexcept { return raw_ != nullptr; }
  const lsmtpd_message* raw() const noexcept { return raw_; }

  // Values are the client's: escape them where you write them. Lives as long as this object.
  const lsmtpd_envelope& envelope() const { return *table_->envelope(raw_); }
  std::string_view id() const { return view(envelope().id); }
  uint64_t size() const { return table_->size(raw_); }  // bytes of content

  // False: the content lies in a file. Then peek() is empty and read() blocks: call it from the
  // pool (offload()).
  bool in_memory() const { return size() == 0 || table_->peek(raw_, 0).size != 0; }
  // The longest piece at `offset` that lies in memory; empty at the end. Lives as long as this
  // object.
  std::string_view peek(uint64_t offset) const { return view(table_->peek(raw_, offset)); }
  // Copies up to `size` bytes at `offset`: how many, 0 at the end, -1 on an I/O error.
  int64_t read(uint64_t offset, void* buffer, std::size_t size) const {
    return table_->read(raw_, offset, buffer, size);
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

  std::string_view annotation(std::string_view key) const {
    return view(table_->annotation(raw_, str(key)));
  }
  // Calls `visit(key, value)` for each annotation.
  template <class Visit>
  void each_annotation(Visit&& visit) const {
    lsmtpd_str key{}, value{};
    for (uint32_t i = 0; table_->annotation_at(raw_, i, &key, &value) != 0; ++i)
      visit(view(key), view(value));
  }

  // Edits; see lsmtpd/message.h for when they take effect. False: out of memory, or not allowed.
  bool annotate(std::string_view key, std::string_view value) {
    return table_->annotate(raw_, str(key), str(value)) == 0;
  }
  bool add_recipient(std::string_view address, std::string_view parameters = {}) {
    return table_->add_recipient(raw_, str(address), str(parameters)) == 0;
  }
  bool remove_recipient(uint64_t index) { return table_->remove_recipient(raw_, index) == 0; }
  bool prepend_header(std::string_view fields) {  // whole fields with their CRLF
    return table_->prepend_header(raw_, str(fields)) == 0;
  }
  bool body_append(std::string_view bytes) { return table_->body_append(raw_, str(bytes)) == 0; }
  bool body_commit() { return table_->body_commit(raw_) == 0; }

 private:
  const lsmtpd_message_1* table_ = nullptr;
  const lsmtpd_message* raw_ = nullptr;
};

}  // namespace lsmtpd::sdk
