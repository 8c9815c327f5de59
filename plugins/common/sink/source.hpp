// SPDX-License-Identifier: Apache-2.0
// One copy of a message as the bytes that a sink is sent.
//
// Order: prepare() reads the content once, for its exact length; size() is then right, and
// produce() gives the bytes piece by piece until 0. Where the content lies in a file prepare() and
// produce() block: run them on the pool (producer.hpp). One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <mail_json/writer.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lsmtpd::sink {

enum class Format { json, rfc822 };
struct Claim;

class Source {
 public:
  virtual ~Source() = default;
  // False: the content could not be read.
  virtual bool prepare() = 0;
  virtual std::uint64_t size() const = 0;
  // As many bytes as there are, up to `room` (at least mail_json::Writer::kRoom); 0 at the end, -1
  // where the content could not be read.
  virtual std::int64_t produce(char* out, std::size_t room) = 0;
};

// LSMTPD's JSON, or the mail as it came; or the reference to it, where it was stored apart. The
// message must outlive it.
class BodySource : public Source {
 public:
  // `recipients` are numbers of the envelope's; empty: all of them. `extra`: JSON keys beyond
  // LSMTPD's own. `claim` may be null.
  BodySource(const lsmtpd_message_1* table, const sdk::Message& message, Format format, bool extra,
             const std::vector<std::uint32_t>& recipients, const Claim* claim = nullptr);

  bool prepare() override;
  std::uint64_t size() const override { return size_; }
  std::int64_t produce(char* out, std::size_t room) override;

  // With the recipients of this copy.
  const lsmtpd_envelope& envelope() const { return envelope_; }

 private:
  std::int64_t produce_some(char* out, std::size_t room);

  lsmtpd_envelope envelope_;
  std::vector<lsmtpd_recipient> recipients_;
  mail_json::MessageContent content_;
  Format format_;
  bool extra_;
  std::string_view traceparent_;
  std::string reference_;  // in place of the content; empty: there is no claim
  std::optional<mail_json::Writer> writer_;
  std::uint64_t size_ = 0;
  std::uint64_t sent_ = 0;
};

// The largest content that a sink which takes bodies of `limit` bytes (0: any) is announced to
// take. For JSON an eighth less: a line end becomes four bytes, so mail whose lines have 14 bytes
// or more on average fits. What is denser, or is no UTF-8, is refused when its exact size is known.
std::uint64_t content_limit(Format format, std::uint64_t limit);

}  // namespace lsmtpd::sink
