// SPDX-License-Identifier: Apache-2.0
// The envelope of a session, which a plugin may read while the session goes on: whoever shares it
// keeps it as it was, and the session makes a copy for itself only where it changes one that is
// shared. [loop]
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "message/envelope.hpp"

namespace lsmtpd::message {

class SharedEnvelope {
 public:
  const Envelope* operator->() const { return envelope_.get(); }
  const Envelope& operator*() const { return *envelope_; }
  std::shared_ptr<const Envelope> share() const { return envelope_; }

  // To write to. Others who share it do not see the change.
  Envelope& change() {
    if (envelope_.use_count() > 1) envelope_ = std::make_shared<Envelope>(*envelope_);
    return *envelope_;
  }

  // The envelope of the message. The session's part stays here too.
  Envelope take() {
    Envelope& from = change();
    Envelope taken = of_session(from);
    taken.id.swap(from.id);
    taken.time_ns = from.time_ns;
    taken.reverse_path.swap(from.reverse_path);
    taken.parameters.swap(from.parameters);
    taken.recipients.swap(from.recipients);
    return taken;
  }

  // The end of the transaction: its id, time, reverse-path, parameters and recipients are empty.
  // Where others share them they are not copied first: an abandoned question of a plugin may keep a
  // thousand recipients, which are counted for it alone.
  Envelope& forget_transaction() {
    if (envelope_.use_count() > 1) {
      envelope_ = std::make_shared<Envelope>(of_session(*envelope_));
      return *envelope_;
    }
    // A mere assignment would keep the memory of what was long.
    std::string().swap(envelope_->id);
    std::string().swap(envelope_->reverse_path);
    std::string().swap(envelope_->parameters);
    std::vector<Recipient>().swap(envelope_->recipients);
    envelope_->time_ns = 0;
    return *envelope_;
  }

 private:
  std::shared_ptr<Envelope> envelope_ = std::make_shared<Envelope>();
};

}  // namespace lsmtpd::message
