// SPDX-License-Identifier: Apache-2.0
#include "plugin/view.hpp"

#include "plugin/message_handles.hpp"
#include "plugin/mistakes.hpp"
#include "plugin/running.hpp"
#include "plugin/verdict.hpp"
#include "plugin/view_edits.hpp"

namespace lsmtpd::plugin {

View::View(const message::Message& message, Rights rights, io::Loop& loop,
           message::ResourceLimits& resources, Lent lent)
    : lent_(std::move(lent)),
      name_(name_message(*this)),
      rights_(rights),
      loop_(loop),
      resources_(resources),
      message_(message),
      envelope_(*message.envelope),
      annotation_edits_(message.annotations, resources.memory),
      header_memory_(resources.memory) {
  if (lent_) ++*lent_;
}

View::~View() {
  if (name_) forget_message(name_);
  if (lent_) --*lent_;
}

const View* View::of(const lsmtpd_message* m) {
  const View* view = find_message(m);
  if (!view) {
    const Running* running = Running::here();
    static Mistakes& mistakes = *new Mistakes;
    mistakes.note(running ? running->plugin() : "", "message_not_held",
                  running ? running->function() : "a thread of its own",
                  "the plugin used a message after its call and its last unpin()");
  }
  return view;
}

void View::pin() const {
  references_.fetch_add(1, std::memory_order_relaxed);
  pins_.fetch_add(1, std::memory_order_relaxed);
}

bool View::unpin() const {
  uint32_t pins = pins_.load(std::memory_order_relaxed);
  do {
    if (pins == 0) return false;
  } while (!pins_.compare_exchange_weak(pins, pins - 1, std::memory_order_relaxed));
  release();
  return true;
}

void View::release() const {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

View::Edits* View::edits() {
  if (!open_.load(std::memory_order_acquire) || rights_ != Rights::edit) return nullptr;
  if (!edits_) edits_ = std::make_unique<Edits>(resources_.memory);
  return edits_.get();
}

std::optional<message::Message> View::close(bool keep_edits) {
  open_.store(false, std::memory_order_release);
  annotation_edits_.close();
  if (!keep_edits || (!edits_ && !annotation_edits_.changed())) return std::nullopt;
  message::Message result = message_;
  if (annotation_edits_.changed()) result.annotations = annotation_edits_.result();
  if (!edits_) return result;
  if (edits_->edits_envelope()) result.envelope = edited_envelope();
  apply_content(result);
  return result;
}

// The new prefix is what was prepended, and then the header, where it was edited, or the prefix
// that was there before.
void View::apply_content(message::Message& result) {
  const HeaderFields* header = header_if_read();
  if (edits_->body) {
    result.body = edits_->body;
    result.prefix = nullptr;  // the replaced content had the old prefix in it
    result.skip = 0;
  } else if (header && edits_->header.any()) {
    // Prepended fields are whole: a prefix never reaches beyond the header.
    const uint64_t old_prefix = result.prefix ? result.prefix->size() : 0;
    if (header->bytes() < old_prefix) return;
    result.skip += header->bytes() - old_prefix;
    edits_->prefix += edits_->header.apply(*header);
    // The edits reserved at least the memory that the result takes.
    edits_->prefix_memory.join(std::move(edits_->header_memory));
    result.prefix = hold_reserved(std::move(edits_->prefix), std::move(edits_->prefix_memory));
    return;
  }
  if (edits_->prefix.empty()) return;
  if (result.prefix) edits_->prefix += *result.prefix;
  result.prefix = hold_reserved(std::move(edits_->prefix), std::move(edits_->prefix_memory));
}

std::shared_ptr<const message::Envelope> View::edited_envelope() {
  message::Envelope envelope = *message_.envelope;
  for (auto it = edits_->removed.rbegin(); it != edits_->removed.rend(); ++it) {
    envelope.recipients.erase(envelope.recipients.begin() + static_cast<ptrdiff_t>(*it));
  }
  for (auto& each : edits_->added) envelope.recipients.push_back(std::move(each));
  if (edits_->reverse_path) envelope.reverse_path = std::move(*edits_->reverse_path);
  return hold_reserved(std::move(envelope), std::move(edits_->envelope_memory));
}

const HeaderFields* View::header_if_read() const {
  std::lock_guard lock(header_mutex_);
  return header_.get();
}

const HeaderFields* View::header() const {
  std::lock_guard lock(header_mutex_);
  if (header_) return header_.get();
  auto text = HeaderFields::read(message_);
  if (!text || !header_memory_.resize(text->size() * 2)) return nullptr;
  header_ = std::make_unique<const HeaderFields>(std::move(*text));
  return header_.get();
}

namespace {

uint32_t field_at(const lsmtpd_message* m, uint64_t index, lsmtpd_header_field* out) {
  const View* held = View::of(m);
  const HeaderFields* header = held ? held->header() : nullptr;
  if (!header || index >= header->fields().size()) return 0;
  if (!out || out->size < sizeof(lsmtpd_header_field)) return 0;
  const HeaderField& field = header->fields()[index];
  out->name = str(field.name);
  out->value = str(field.value);
  out->whole = str(field.whole);
  return 1;
}

int64_t field_find(const lsmtpd_message* m, lsmtpd_str name, uint64_t from) {
  const View* held = View::of(m);
  const HeaderFields* header = held ? held->header() : nullptr;
  const auto found = header ? header->find(view(name), from) : std::nullopt;
  return found ? static_cast<int64_t>(*found) : -1;
}

}  // namespace

// The functions that read. A message that is not held any more is empty, and has no envelope.
struct ReadFunctions {
  static const lsmtpd_envelope* envelope(const lsmtpd_message* m) {
    static const message::Envelope kEmpty;
    static const EnvelopeView kNone(kEmpty);
    const View* v = View::of(m);
    return v ? v->envelope_.get() : kNone.get();
  }
  static uint64_t size(const lsmtpd_message* m) {
    const View* v = View::of(m);
    return v ? v->message_.size() : 0;
  }
  static lsmtpd_str peek(const lsmtpd_message* m, uint64_t offset) {
    const View* v = View::of(m);
    return v ? str(v->message_.peek(offset)) : lsmtpd_str{nullptr, 0};
  }
  static int64_t read(const lsmtpd_message* m, uint64_t offset, void* buffer, uint64_t count) {
    const View* v = View::of(m);
    return v ? v->message_.read(offset, static_cast<char*>(buffer), count) : -1;
  }
  static void pin(const lsmtpd_message* m) {
    if (const View* v = View::of(m)) v->pin();
  }
  static void unpin(const lsmtpd_message* m) {
    const View* v = View::of(m);
    if (!v || v->unpin()) return;
    const Running* running = Running::here();
    static Mistakes& mistakes = *new Mistakes;
    mistakes.note(running ? running->plugin() : "", "unpinned_twice",
                  running ? running->function() : "a thread of its own",
                  "the plugin called unpin() more often than pin()");
  }
};

const lsmtpd_message_1 View::kMessageTable = {ReadFunctions::envelope, ReadFunctions::size,
                                              ReadFunctions::peek,     ReadFunctions::read,
                                              ReadFunctions::pin,      ReadFunctions::unpin};

const lsmtpd_header_1 View::kHeaderTable = {
    .count = [](const lsmtpd_message* m) -> int64_t {
      const View* held = View::of(m);
      const HeaderFields* header = held ? held->header() : nullptr;
      return header ? static_cast<int64_t>(header->fields().size()) : -1;
    },
    .at = field_at,
    .find = field_find,
    .insert = insert_field,
    .change = change_field,
    .remove = remove_field};

}  // namespace lsmtpd::plugin
