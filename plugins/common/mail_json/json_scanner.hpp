// SPDX-License-Identifier: Apache-2.0
// Reads a JSON file of LSMTPD's form once, with bounded memory: keeps the members of the envelope
// as text and notes the places of the content strings. The keys may stand in any order. A file that
// is torn, cut off, nested too deep or followed by other text is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mail_json/stored.hpp"

namespace lsmtpd::mail_json {

// A file's bytes.
class Input {
 public:
  virtual ~Input() = default;
  // How many bytes, 0 at the end, -1 on an I/O error.
  virtual std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) = 0;
};

// The raw inside of a string: between its quotes, still escaped.
struct Slice {
  static constexpr std::uint64_t kUnknown = UINT64_MAX;

  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // kUnknown: up to the closing quote, which was not looked for
};

struct Outline {
  std::string envelope;  // a JSON object: all members but the two below
  std::optional<Slice> text;
  std::optional<Slice> base64;
};

class Scanner {
 public:
  static constexpr std::size_t kEnvelopeMax = 8 * 1024 * 1024;
  static constexpr std::size_t kDepthMax = 32;

  explicit Scanner(Input& input);
  Result<Outline> scan();
  // As scan(), but ends where the content begins if LSMTPD's other five keys came before it, as
  // they do in our files: whatever follows is not looked at.
  Result<Outline> scan_head();

 private:
  static constexpr std::size_t kBuffer = 64 * 1024;

  bool fill();
  int peek();
  void take(bool keep);
  void spaces();
  bool error(const char* what);
  bool members();
  bool member();
  bool content(std::optional<Slice>& slice);
  bool ends_here(std::optional<Slice>& slice);
  void note_key(std::string_view key);
  bool value(std::size_t depth);
  bool container(std::size_t depth);
  bool scalar();
  bool string(bool keep);

  Input& input_;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t base_ = 0;  // file offset of the buffer
  std::size_t size_ = 0;
  std::size_t at_ = 0;
  Outline outline_;
  std::string problem_;
  bool head_only_ = false;
  unsigned seen_ = 0;  // of the five keys, a bit each
  bool ended_ = false;
};

}  // namespace lsmtpd::mail_json
