// SPDX-License-Identifier: Apache-2.0
#include "plugin/making.hpp"

#include "plugin/envelope_view.hpp"

namespace lsmtpd::plugin {

std::unique_ptr<Making> Making::begin(const lsmtpd_envelope* envelope, io::Loop& loop,
                                      message::ResourceLimits& resources) {
  auto copy = envelope ? to_envelope(*envelope) : std::nullopt;
  if (!copy) return nullptr;
  Reservation memory(resources.memory);
  if (!memory.reserve(message::memory_of(*copy))) return nullptr;
  return std::make_unique<Making>(hold_reserved(std::move(*copy), std::move(memory)), loop,
                                  resources);
}

Making::Making(std::shared_ptr<const message::Envelope> envelope, io::Loop& loop,
               message::ResourceLimits& resources)
    : envelope_(std::move(envelope)),
      loop_(loop),
      writer_(resources),
      annotation_edits_(nullptr, resources.memory) {}

bool Making::append(std::string_view content) {
  if (writer_.wants_flush() && (loop_.on_thread() || !writer_.flush())) return false;
  return writer_.append(content);
}

Result<message::Message> Making::finish() {
  if (writer_.spilled() && writer_.wants_flush()) {
    if (auto flushed = writer_.flush(); !flushed) return tl::unexpected(flushed.error());
  }
  message::Message message;
  message.envelope = envelope_;
  message.body = writer_.finish();
  message.annotations = annotation_edits_.result();
  return message;
}

}  // namespace lsmtpd::plugin
