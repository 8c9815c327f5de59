// SPDX-License-Identifier: Apache-2.0
// One message, or one copy of it, as the bytes that go into AMQP transfers.
//
// Order: the constructor copies the little it needs; prepare() reads the content once, for its
// exact length; size() is then right, and produce() gives the bytes piece by piece until 0. Where
// the content lies in a file prepare() and produce() block: run them on the pool. One thread at a
// time. The message must outlive it.
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <mail_json/writer.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "amqp_options.hpp"

namespace lsmtpd::amqp {

struct EncoderOptions {
  const lsmtpd_message_1* api = nullptr;
  Format format = Format::json;
  bool extra = true;
  bool copy_message_id = false;
  std::size_t property_limit = 64 * 1024;
  std::string_view own_annotations;  // annotations that begin with this stay inside
};

class Encoder {
 public:
  // `recipients` are numbers of the envelope's; empty: all of them.
  Encoder(const sdk::Message& message, const EncoderOptions& options, std::string_view copy_id,
          std::string_view address, const std::vector<std::uint32_t>& recipients);

  // False: the content could not be read.
  bool prepare();
  std::uint64_t size() const { return sections_.size() + body_; }

  // As many bytes as there are, up to `room` (at least Writer::kRoom); 0 at the end, -1 where the
  // content could not be read.
  std::int64_t produce(char* out, std::size_t room);

 private:
  std::int64_t produce_body(char* out, std::size_t room);

  lsmtpd_envelope envelope_;
  std::vector<lsmtpd_recipient> recipients_;
  const sdk::Message& message_;
  mail_json::MessageContent content_;
  Format format_;
  bool extra_;
  bool copy_message_id_;
  std::size_t property_limit_;
  std::string copy_id_;
  std::string address_;
  std::string_view own_annotations_;
  std::optional<mail_json::Writer> writer_;
  std::string sections_;
  std::size_t sections_sent_ = 0;
  std::uint64_t body_ = 0;
  std::uint64_t body_sent_ = 0;
};

// The largest content that a link which takes `link_limit` bytes (0: any) is announced to take.
// What stands before the body is taken off, and for JSON an eighth more: a line end becomes four
// bytes, so mail whose lines have 14 bytes or more on average fits. What is denser, or is no UTF-8,
// is refused when its exact size is known.
std::uint64_t content_limit(Format format, std::uint64_t link_limit);

}  // namespace lsmtpd::amqp
