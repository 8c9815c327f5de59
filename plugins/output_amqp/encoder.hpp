// SPDX-License-Identifier: Apache-2.0
// One message, or one copy of it, as the bytes that go into AMQP transfers: the sections before the
// body, then the body. The message must outlive it.
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <sink/claim.hpp>
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
  const MessageFields* fields = nullptr;  // outlive the Encoder; null: none
};

class Encoder : public Source {
 public:
  // `recipients` are numbers of the envelope's; empty: all of them. The message must outlive it.
  // `claim` is null where the body is not stored apart, else kept.
  Encoder(const sdk::Message& message, const EncoderOptions& options, std::string_view copy_id,
          std::string_view address, const std::vector<std::uint32_t>& recipients,
          std::shared_ptr<const Claim> claim = nullptr);

  bool prepare() override;
  std::uint64_t size() const override { return sections_.size() + body_.size(); }
  std::int64_t produce(char* out, std::size_t room) override;

 private:
  const sdk::Message& message_;
  std::shared_ptr<const Claim> claim_;
  BodySource body_;
  Format format_;
  bool copy_message_id_;
  std::size_t property_limit_;
  const MessageFields* fields_;
  std::string copy_id_;
  std::string address_;
  std::string sections_;
  std::size_t sections_sent_ = 0;
};

// The largest content that a link which takes `link_limit` bytes (0: any) is announced to take.
// The sections before the body are taken off.
std::uint64_t content_limit_of_link(Format format, std::uint64_t link_limit);

}  // namespace lsmtpd::amqp
