// SPDX-License-Identifier: Apache-2.0
// The object behind `lsmtpd_message`: the plugin's own view of a message; and, for a filter, behind
// `lsmtpd_edits`: the changes that it makes. Counted: the call holds one reference, each pin()
// another.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "io/loop.hpp"
#include "lsmtpd/edits.h"
#include "lsmtpd/header.h"
#include "lsmtpd/message.h"
#include "message/message.hpp"
#include "plugin/annotation_edits.hpp"
#include "plugin/envelope_view.hpp"
#include "plugin/header_fields.hpp"

namespace lsmtpd::plugin {

class View {
 public:
  enum class Rights : uint8_t { annotate, edit };
  // How many views a lane's plugin has; outlives the lane as long as one is pinned.
  using Lent = std::shared_ptr<std::atomic<uint32_t>>;

  static View* make(const message::Message& message, Rights rights, io::Loop& loop,
                    message::ResourceLimits& resources, Lent lent = nullptr) {
    return new View(message, rights, loop, resources, std::move(lent));
  }
  // Null, and said so, where the plugin does not hold `m` any more.
  static const View* of(const lsmtpd_message* m);
  static View* of(lsmtpd_edits* e) { return reinterpret_cast<View*>(e); }
  const lsmtpd_message* abi() const { return name_; }
  // Null where the plugin may not edit.
  lsmtpd_edits* edits_abi() {
    return rights_ == Rights::edit ? reinterpret_cast<lsmtpd_edits*>(this) : nullptr;
  }
  AnnotationEdits& annotation_edits() { return annotation_edits_; }

  void pin() const;  // the plugin's
  // False: it has no pin left.
  bool unpin() const;
  void release() const;  // the call's reference

  // The call is complete: no more edits. Returns the message with them applied, or nothing where
  // there are none to keep. [loop]
  std::optional<message::Message> close(bool keep_edits);

  const message::Envelope* envelope() const { return message_.envelope.get(); }
  const message::Annotations* annotations() const { return message_.annotations.get(); }
  // Reads them at the first call; null where that fails. May block on the disk. [any]
  const HeaderFields* header() const;

  static const lsmtpd_message_1 kMessageTable;
  static const lsmtpd_edits_1 kEditsTable;
  static const lsmtpd_header_1 kHeaderTable;

 private:
  struct Edits;
  friend struct ReadFunctions;
  friend struct EditFunctions;

  View(const message::Message& message, Rights rights, io::Loop& loop,
       message::ResourceLimits& resources, Lent lent);
  ~View();
  Edits* edits();
  // Fields that were read before; null: they were not.
  const HeaderFields* header_if_read() const;
  std::shared_ptr<const message::Envelope> edited_envelope();
  void apply_content(message::Message& result);

  mutable std::atomic<uint32_t> references_{1};
  mutable std::atomic<uint32_t> pins_{0};  // of the references, the plugin's
  const Lent lent_;
  const lsmtpd_message* name_;
  std::atomic<bool> open_{true};
  Rights rights_;
  io::Loop& loop_;
  message::ResourceLimits& resources_;
  message::Message message_;
  EnvelopeView envelope_;
  AnnotationEdits annotation_edits_;
  std::unique_ptr<Edits> edits_;
  mutable std::mutex header_mutex_;
  mutable std::unique_ptr<const HeaderFields> header_;  // guarded by header_mutex_ until it is set
  mutable Reservation header_memory_;
};

}  // namespace lsmtpd::plugin
