// SPDX-License-Identifier: Apache-2.0
// The object behind `lsmtpd_making`: a message that a spool makes from its stored copy.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "io/loop.hpp"
#include "lsmtpd/replay.h"
#include "message/message.hpp"
#include "plugin/annotation_edits.hpp"

namespace lsmtpd::plugin {

class Making {
 public:
  // Null where there is no memory for the envelope, or it is none.
  static std::unique_ptr<Making> begin(const lsmtpd_envelope* envelope, io::Loop& loop,
                                       message::ResourceLimits& resources);
  Making(std::shared_ptr<const message::Envelope> envelope, io::Loop& loop,
         message::ResourceLimits& resources);

  lsmtpd_making* abi() { return reinterpret_cast<lsmtpd_making*>(this); }
  static Making* of(lsmtpd_making* m) { return reinterpret_cast<Making*>(m); }

  bool append(std::string_view content);
  bool annotate(std::string_view key, std::string_view value) {
    return annotation_edits_.set(key, value);
  }
  // The message. May block on the disk.
  Result<message::Message> finish();

 private:
  std::shared_ptr<const message::Envelope> envelope_;
  io::Loop& loop_;
  message::BodyWriter writer_;
  AnnotationEdits annotation_edits_;
};

}  // namespace lsmtpd::plugin
