// SPDX-License-Identifier: Apache-2.0
// Content of any bytes in pieces of any size: the written file reads back byte for byte, and has
// the measured size.
#include <algorithm>
#include <mail_json/mail_reader.hpp>
#include <mail_json/writer.hpp>
#include <string>

#include "fuzz_input.hpp"

namespace {

namespace json = lsmtpd::mail_json;

class Pieces : public json::Content {
 public:
  Pieces(std::string_view text, std::size_t most) : text_(text), most_(most) {}
  std::uint64_t size() const override { return text_.size(); }
  std::string_view peek(std::uint64_t offset) override {
    return most_ % 2 == 0 ? text_.substr(static_cast<std::size_t>(offset), most_)
                          : std::string_view();
  }
  std::int64_t read(std::uint64_t offset, char* buffer, std::size_t size) override {
    return static_cast<std::int64_t>(
        text_.copy(buffer, std::min(size, most_), static_cast<std::size_t>(offset)));
  }

 private:
  std::string_view text_;
  std::size_t most_;
};

class Bytes : public json::Input {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (offset >= text_.size()) return 0;
    return static_cast<std::int64_t>(text_.copy(buffer, size, static_cast<std::size_t>(offset)));
  }

 private:
  std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  // The content, and the envelope too, are what the fuzzer likes.
  json::StoredMail mail;
  mail.id = text.substr(0, 40);
  mail.sender = text.substr(0, 9);
  mail.helo = text.substr(text.size() / 2);
  mail.recipients = {{std::string(text.substr(0, 70)), "NOTIFY=NEVER"}};
  const json::EnvelopeView envelope(mail);
  Pieces content(text, std::size_t{data[0]} + 1);
  json::Writer writer(envelope.get(), {true, nullptr});
  lsmtpd::fuzz::require(writer.measure(content));
  std::string file;
  std::string buffer(json::Writer::kRoom + data[1], '\0');
  for (;;) {
    const std::int64_t made = writer.produce(content, buffer.data(), buffer.size());
    lsmtpd::fuzz::require(made >= 0);
    if (made == 0) break;
    file.append(buffer, 0, static_cast<std::size_t>(made));
  }
  lsmtpd::fuzz::require(file.size() == writer.size());

  Bytes input(file);
  json::Reader reader(input);
  lsmtpd::fuzz::require(reader.open().has_value());
  std::string back;
  const auto done = reader.content([&](std::string_view piece) {
    back += piece;
    return true;
  });
  lsmtpd::fuzz::require(done.has_value() && back == text);
  return 0;
}
