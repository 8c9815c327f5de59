// SPDX-License-Identifier: Apache-2.0
// What a plugin holds as `lsmtpd_message`: its own view of a message, with the edits it makes on
// the side. Counted: the call holds one reference, each pin() another.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/loop.hpp"
#include "lsmtpd/message.h"
#include "message/message.hpp"

namespace lsmtpd::plugin {

// The C struct of an envelope, pointing into one of ours; lives no longer than it.
class EnvelopeView {
 public:
  explicit EnvelopeView(const message::Envelope& envelope);
  const lsmtpd_envelope* get() const { return &abi_; }

 private:
  lsmtpd_envelope abi_{};
  std::vector<lsmtpd_recipient> recipients_;
};

message::Envelope to_envelope(const lsmtpd_envelope& abi);

class View {
 public:
  enum class Rights : uint8_t { annotate, edit, build };

  static View* make(const message::Message& message, Rights rights, io::Loop& loop,
                    message::ResourceLimits& resources) {
    return new View(message, rights, loop, resources);
  }
  static const View* of(const lsmtpd_message* m) { return reinterpret_cast<const View*>(m); }
  const lsmtpd_message* abi() const { return reinterpret_cast<const lsmtpd_message*>(this); }

  void pin() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void unpin() const;

  // The call is complete: no more edits. Returns the message with them applied, or nothing where
  // there are none to keep. [loop]
  std::optional<message::Message> close(bool keep_edits);
  // After loaded(): envelope, body and annotations as they were put together. May block on the
  // disk.
  Result<message::Message> finish_building();

  static const lsmtpd_message_1 table;

 private:
  struct Edits;

  View(const message::Message& message, Rights rights, io::Loop& loop,
       message::ResourceLimits& resources);
  ~View();
  Edits* edits(bool annotate_only) const;
  std::shared_ptr<const message::Envelope> edited_envelope() const;
  friend struct ViewTable;

  mutable std::atomic<uint32_t> references_{1};
  std::atomic<bool> open_{true};
  Rights rights_;
  io::Loop& loop_;
  message::ResourceLimits& resources_;
  message::Message message_;
  EnvelopeView envelope_;
  mutable std::unique_ptr<Edits> edits_;
};

}  // namespace lsmtpd::plugin
