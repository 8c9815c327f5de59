// SPDX-License-Identifier: Apache-2.0
// The C struct of an envelope, pointing into one of ours; lives no longer than it.
#pragma once

#include <optional>
#include <vector>

#include "lsmtpd/message.h"
#include "message/envelope.hpp"

namespace lsmtpd::plugin {

class EnvelopeView {
 public:
  explicit EnvelopeView(const message::Envelope& envelope);
  EnvelopeView(const EnvelopeView&) = delete;
  EnvelopeView& operator=(const EnvelopeView&) = delete;
  const lsmtpd_envelope* get() const { return &abi_; }

 private:
  lsmtpd_envelope abi_{};
  std::vector<lsmtpd_recipient> recipients_;
  lsmtpd_tls tls_{};
  lsmtpd_auth auth_{};
};

// A copy of what a plugin gave; nothing where its size says that it is none.
std::optional<message::Envelope> to_envelope(const lsmtpd_envelope& abi);

}  // namespace lsmtpd::plugin
