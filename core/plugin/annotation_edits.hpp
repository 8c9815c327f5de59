// SPDX-License-Identifier: Apache-2.0
// The object behind `lsmtpd_annotations`: the annotations of a message or of a session as they
// stand, and those that the plugin sets while its call is open.
//
// An added annotation counts against the memory budget from the moment it is added, for as long as
// anybody holds the annotations that it became part of.
#pragma once

#include <atomic>
#include <memory>

#include "base/budget.hpp"
#include "lsmtpd/annotations.h"
#include "message/message.hpp"

namespace lsmtpd::plugin {

class AnnotationEdits {
 public:
  AnnotationEdits(std::shared_ptr<const message::Annotations> before, Budget& budget)
      : before_(std::move(before)), budget_(budget) {}
  AnnotationEdits(const AnnotationEdits&) = delete;
  AnnotationEdits& operator=(const AnnotationEdits&) = delete;

  lsmtpd_annotations* abi() { return reinterpret_cast<lsmtpd_annotations*>(this); }
  static AnnotationEdits& of(lsmtpd_annotations* a) {
    return *reinterpret_cast<AnnotationEdits*>(a);
  }
  static const AnnotationEdits& of(const lsmtpd_annotations* a) {
    return *reinterpret_cast<const AnnotationEdits*>(a);
  }

  bool set(std::string_view key, std::string_view value);
  std::string_view find(std::string_view key) const;
  const message::Annotations* before() const { return before_.get(); }

  void close() { open_.store(false, std::memory_order_release); }
  bool changed() const { return now_ != nullptr; }
  // As they stand with what was set; after close().
  std::shared_ptr<const message::Annotations> result() const;

 private:
  // Shared with the message that it becomes part of.
  struct Now {
    message::Annotations all;
    Reservation memory;
  };
  bool begin();

  std::shared_ptr<const message::Annotations> before_;
  Budget& budget_;
  std::shared_ptr<Now> now_;
  std::atomic<bool> open_{true};
};

extern const lsmtpd_annotations_1 kAnnotationsTable;

}  // namespace lsmtpd::plugin
