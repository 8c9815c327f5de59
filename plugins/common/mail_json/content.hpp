// SPDX-License-Identifier: Apache-2.0
// The content that a writer reads: bytes in memory (peek), or bytes that must be read (read).
#pragma once

#include <lsmtpd/message.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace lsmtpd::mail_json {

inline std::string_view view(lsmtpd_str text) {
  return {text.data, static_cast<std::size_t>(text.size)};
}
inline lsmtpd_str str(std::string_view text) {
  return {text.data(), text.size()};
}

class Content {
 public:
  virtual ~Content() = default;
  virtual std::uint64_t size() const = 0;
  // As lsmtpd.message/1: empty where it must be read instead.
  virtual std::string_view peek(std::uint64_t offset) = 0;
  // How many bytes, -1 on an I/O error. May block.
  virtual std::int64_t read(std::uint64_t offset, char* buffer, std::size_t size) = 0;
};

// A message of the host's; it must outlive this.
class MessageContent : public Content {
 public:
  MessageContent(const lsmtpd_message_1* api, const lsmtpd_message* message)
      : api_(api), message_(message) {}
  std::uint64_t size() const override { return api_->size(message_); }
  std::string_view peek(std::uint64_t offset) override {
    return view(api_->peek(message_, offset));
  }
  std::int64_t read(std::uint64_t offset, char* buffer, std::size_t size) override {
    return api_->read(message_, offset, buffer, size);
  }

 private:
  const lsmtpd_message_1* api_;
  const lsmtpd_message* message_;
};

// Text that lies in memory.
class TextContent : public Content {
 public:
  explicit TextContent(std::string_view text) : text_(text) {}
  std::uint64_t size() const override { return text_.size(); }
  std::string_view peek(std::uint64_t offset) override {
    return text_.substr(static_cast<std::size_t>(offset));
  }
  std::int64_t read(std::uint64_t, char*, std::size_t) override { return 0; }

 private:
  std::string_view text_;
};

// Reads content once, in pieces; uses a buffer of its own where it cannot peek.
class Pieces {
 public:
  // The piece at the present place; empty at the end, or when failed().
  std::string_view next(Content& content);
  // Marks that many bytes of the last piece as used.
  void advance(std::size_t bytes) { offset_ += bytes; }
  void rewind() { offset_ = 0; }
  bool failed() const { return failed_; }

 private:
  static constexpr std::size_t kBuffer = 64 * 1024;

  std::uint64_t offset_ = 0;
  std::uint64_t buffered_at_ = 0;
  std::size_t buffered_ = 0;
  std::unique_ptr<char[]> buffer_;
  bool failed_ = false;
};

}  // namespace lsmtpd::mail_json
