// SPDX-License-Identifier: Apache-2.0
// A file of the spool: for any content, reading ends with a message or with an error. A message
// that was read, written again and read again is the same, and its head alone has the same
// beginning.
#include <algorithm>
#include <cstring>
#include <mail_json/mail_reader.hpp>
#include <mail_json/writer.hpp>
#include <optional>
#include <string>

#include "fuzz_input.hpp"

namespace {

namespace json = lsmtpd::mail_json;

// The first byte of the input says how many bytes a read gives at most.
class Bytes : public json::Input {
 public:
  Bytes(std::string_view text, std::size_t most) : text_(text), most_(most) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (offset >= text_.size()) return 0;
    return static_cast<std::int64_t>(
        text_.copy(buffer, std::min(size, most_), static_cast<std::size_t>(offset)));
  }

 private:
  std::string_view text_;
  std::size_t most_;
};

struct Read {
  json::StoredMail mail;
  std::string content;
};

std::optional<Read> read(std::string_view file, std::size_t most) {
  Bytes input(file, most);
  json::Reader reader(input);
  auto mail = reader.open();
  if (!mail) {
    lsmtpd::fuzz::require(!mail.error().empty());
    return std::nullopt;
  }
  Read got{std::move(*mail), {}};
  const auto done = reader.content([&](std::string_view piece) {
    got.content += piece;
    return true;
  });
  if (!done) return std::nullopt;
  return got;
}

// The beginning of the content, without a look at the rest of the file.
std::optional<std::string> beginning(std::string_view file, std::size_t most) {
  Bytes input(file, most);
  json::Reader reader(input);
  if (!reader.open_head()) return std::nullopt;
  return reader.beginning(1000);
}

std::string write(const Read& read) {
  const json::EnvelopeView envelope(read.mail);
  const json::Bookkeeping& book = read.mail.bookkeeping;
  json::TextContent content(read.content);
  json::Writer writer(envelope.get(), {true, read.mail.has_bookkeeping ? &book : nullptr});
  lsmtpd::fuzz::require(writer.measure(content));
  std::string file;
  char buffer[json::Writer::kRoom + 13];
  for (;;) {
    const std::int64_t made = writer.produce(content, buffer, sizeof(buffer));
    lsmtpd::fuzz::require(made >= 0);
    if (made == 0) break;
    file.append(buffer, static_cast<std::size_t>(made));
  }
  lsmtpd::fuzz::require(file.size() == writer.size());
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view file(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto first = read(file, std::size_t{data[0]} + 1);
  beginning(file, std::size_t{data[0]} + 1);
  // The size of each read makes no difference.
  lsmtpd::fuzz::require(read(file, SIZE_MAX).has_value() == first.has_value());
  if (!first) return 0;
  const std::string again = write(*first);
  const auto second = read(again, 7);
  const auto head = beginning(again, std::size_t{data[0]} + 1);
  lsmtpd::fuzz::require(head && first->content.starts_with(*head));
  lsmtpd::fuzz::require(second.has_value());
  lsmtpd::fuzz::require(second->content == first->content);
  lsmtpd::fuzz::require(second->mail.time_ns == first->mail.time_ns);
  lsmtpd::fuzz::require(second->mail.recipients.size() == first->mail.recipients.size());
  return 0;
}
