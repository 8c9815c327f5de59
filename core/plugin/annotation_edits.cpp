// SPDX-License-Identifier: Apache-2.0
#include "plugin/annotation_edits.hpp"

#include <iterator>

#include "plugin/verdict.hpp"
#include "plugin/view.hpp"

namespace lsmtpd::plugin {

namespace {

// A node of the map beside its two strings.
constexpr uint64_t kAnnotation = sizeof(message::Annotations::value_type) + 64;

uint64_t memory_of(std::string_view key, std::string_view value) {
  return kAnnotation + key.size() + value.size();
}

std::string_view find_in(const message::Annotations* all, std::string_view key) {
  if (!all) return {};
  const auto found = all->find(key);
  return found == all->end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

// Edits work on a copy of what there is.
bool AnnotationEdits::begin() {
  if (now_) return true;
  auto now = std::make_shared<Now>();
  now->memory = Reservation(budget_);
  if (before_) {
    uint64_t sum = 0;
    for (const auto& [key, value] : *before_) sum += memory_of(key, value);
    if (!now->memory.reserve(sum)) return false;
    now->all = *before_;
  }
  now_ = std::move(now);
  return true;
}

bool AnnotationEdits::set(std::string_view key, std::string_view value) {
  if (!open_.load(std::memory_order_acquire) || !begin()) return false;
  auto& [all, memory] = *now_;
  const auto found = all.find(key);
  const bool known = found != all.end();
  const uint64_t before = known ? memory_of(found->first, found->second) : 0;
  const uint64_t after = value.empty() ? 0 : memory_of(key, value);
  if (!memory.resize(memory.held() - before + after)) return false;
  if (!value.empty()) {
    all.insert_or_assign(std::string(key), std::string(value));
  } else if (known) {
    all.erase(found);
  }
  return true;
}

std::string_view AnnotationEdits::find(std::string_view key) const {
  return find_in(now_ ? &now_->all : before_.get(), key);
}

std::shared_ptr<const message::Annotations> AnnotationEdits::result() const {
  if (!now_) return before_;
  return {now_, &now_->all};
}

const lsmtpd_annotations_1 kAnnotationsTable = {
    .get = [](const lsmtpd_message* m, lsmtpd_str key) -> lsmtpd_str {
      const View* held = View::of(m);
      return str(find_in(held ? held->annotations() : nullptr, view(key)));
    },
    .at = [](const lsmtpd_message* m, uint32_t index, lsmtpd_str* key,
             lsmtpd_str* value) -> uint32_t {
      const View* held = View::of(m);
      const auto* all = held ? held->annotations() : nullptr;
      if (!all || index >= all->size()) return 0;
      const auto at = std::next(all->begin(), index);
      *key = str(at->first);
      *value = str(at->second);
      return 1;
    },
    .set = [](lsmtpd_annotations* a, lsmtpd_str key, lsmtpd_str value) -> int32_t {
      return a && AnnotationEdits::of(a).set(view(key), view(value)) ? 0 : -1;
    },
    .find = [](const lsmtpd_annotations* a, lsmtpd_str key) -> lsmtpd_str {
      return str(a ? AnnotationEdits::of(a).find(view(key)) : std::string_view());
    }};

}  // namespace lsmtpd::plugin
