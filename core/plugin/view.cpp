// SPDX-License-Identifier: Apache-2.0
#include "plugin/view.hpp"

#include <algorithm>

#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

EnvelopeView::EnvelopeView(const message::Envelope& e) {
  recipients_.reserve(e.recipients.size());
  for (const auto& r : e.recipients) recipients_.push_back({str(r.address), str(r.parameters)});
  abi_ = {.size = sizeof(lsmtpd_envelope),
          .peer_port = e.peer_port,
          .id = str(e.id),
          .time_ns = e.time_ns,
          .reverse_path = str(e.reverse_path),
          .parameters = str(e.parameters),
          .recipients = recipients_.data(),
          .recipient_count = recipients_.size(),
          .helo = str(e.helo),
          .protocol = str(e.protocol),
          .listener = str(e.listener),
          .peer_address = str(e.peer_address),
          .tls = str(e.tls),
          .auth_user = str(e.auth_user)};
}

message::Envelope to_envelope(const lsmtpd_envelope& abi) {
  message::Envelope e;
  e.id = view(abi.id);
  e.time_ns = abi.time_ns;
  e.reverse_path = view(abi.reverse_path);
  e.parameters = view(abi.parameters);
  for (uint64_t i = 0; i < abi.recipient_count; ++i) {
    e.recipients.push_back({std::string(view(abi.recipients[i].address)),
                            std::string(view(abi.recipients[i].parameters))});
  }
  e.helo = view(abi.helo);
  e.protocol = view(abi.protocol);
  e.listener = view(abi.listener);
  e.peer_address = view(abi.peer_address);
  e.peer_port = static_cast<uint16_t>(abi.peer_port);
  e.tls = view(abi.tls);
  e.auth_user = view(abi.auth_user);
  return e;
}

// What a plugin adds counts against the memory budget from the moment it is added, for as long as
// anybody holds the message that it became part of.
struct View::Edits {
  explicit Edits(Budget& budget) : recipient_memory(budget), prefix_memory(budget) {}

  // Shared with the message that it becomes part of: whoever holds the view may read it for longer
  // than the call is open.
  struct Noted {
    message::Annotations all;
    Reservation memory;
  };

  std::set<uint64_t> removed;
  std::vector<message::Recipient> added;
  std::string prefix;
  std::shared_ptr<Noted> annotations;
  Reservation recipient_memory;
  Reservation prefix_memory;
  std::unique_ptr<message::BodyWriter> writer;
  std::shared_ptr<const message::Body> body;

  bool edits_recipients() const { return !removed.empty() || !added.empty(); }
};

namespace {

// A node of the map beside its two strings.
constexpr uint64_t kAnnotation = sizeof(message::Annotations::value_type) + 64;

uint64_t memory_of(std::string_view key, std::string_view value) {
  return kAnnotation + key.size() + value.size();
}

uint64_t memory_of(const message::Annotations& all) {
  uint64_t sum = 0;
  for (const auto& [key, value] : all) sum += memory_of(key, value);
  return sum;
}

}  // namespace

View::View(const message::Message& message, Rights rights, io::Loop& loop,
           message::ResourceLimits& resources)
    : rights_(rights),
      loop_(loop),
      resources_(resources),
      message_(message),
      envelope_(*message.envelope) {}

View::~View() = default;

void View::unpin() const {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

View::Edits* View::edits(bool annotate_only) const {
  if (!open_.load(std::memory_order_acquire)) return nullptr;
  if (rights_ == Rights::annotate && !annotate_only) return nullptr;
  if (!edits_) edits_ = std::make_unique<Edits>(resources_.memory);
  return edits_.get();
}

std::optional<message::Message> View::close(bool keep_edits) {
  open_.store(false, std::memory_order_release);
  if (!keep_edits || !edits_) return std::nullopt;
  message::Message result = message_;
  if (edits_->edits_recipients()) result.envelope = edited_envelope();
  if (edits_->body) {
    result.body = edits_->body;
    result.prefix = nullptr;  // the replaced content had the old prefix in it
  }
  if (!edits_->prefix.empty()) {
    if (result.prefix) edits_->prefix += *result.prefix;
    result.prefix = hold_reserved(std::move(edits_->prefix), std::move(edits_->prefix_memory));
  }
  if (edits_->annotations) {
    result.annotations = {edits_->annotations, &edits_->annotations->all};
  }
  return result;
}

std::shared_ptr<const message::Envelope> View::edited_envelope() const {
  message::Envelope envelope = *message_.envelope;
  for (auto it = edits_->removed.rbegin(); it != edits_->removed.rend(); ++it) {
    envelope.recipients.erase(envelope.recipients.begin() + static_cast<ptrdiff_t>(*it));
  }
  for (auto& each : edits_->added) envelope.recipients.push_back(std::move(each));
  return hold_reserved(std::move(envelope), std::move(edits_->recipient_memory));
}

Result<message::Message> View::finish_building() {
  message::Message result = close(true).value_or(message_);
  if (edits_ && edits_->writer) {
    if (edits_->writer->spilled() && edits_->writer->wants_flush()) {
      if (auto flushed = edits_->writer->flush(); !flushed) return tl::unexpected(flushed.error());
    }
    result.body = edits_->writer->finish();
  }
  return result;
}

namespace {

// RFC 5322 2.2: "Name: value" lines, and those that begin with a blank, each with its CRLF.
bool is_header_fields(std::string_view text) {
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find('\r');
    if (end == std::string_view::npos || text.substr(end, 2) != "\r\n") return false;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (line.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) return false;
    if (!first && (line.starts_with(' ') || line.starts_with('\t'))) continue;
    first = false;
    const size_t name = line.find(':');
    if (name == 0 || name == std::string_view::npos) return false;
    for (const char c : line.substr(0, name)) {
      if (c <= ' ' || c >= 0x7f) return false;
    }
  }
  return !first;
}

}  // namespace

// The functions of lsmtpd.message/1. Views come from us, so the pointers are good as long as the
// plugin keeps its promise; what it may do with them is checked here.
struct ViewTable {
  static const View& of(const lsmtpd_message* m) { return *View::of(m); }

  static const lsmtpd_envelope* envelope(const lsmtpd_message* m) { return of(m).envelope_.get(); }
  static uint64_t size(const lsmtpd_message* m) { return of(m).message_.size(); }
  static lsmtpd_str peek(const lsmtpd_message* m, uint64_t offset) {
    return str(of(m).message_.peek(offset));
  }
  static int64_t read(const lsmtpd_message* m, uint64_t offset, void* buffer, uint64_t count) {
    return of(m).message_.read(offset, static_cast<char*>(buffer), count);
  }
  static void pin(const lsmtpd_message* m) { of(m).pin(); }
  static void unpin(const lsmtpd_message* m) { of(m).unpin(); }

  static const message::Annotations* annotations(const View& v) {
    if (v.edits_ && v.edits_->annotations) return &v.edits_->annotations->all;
    return v.message_.annotations.get();
  }
  static lsmtpd_str annotation(const lsmtpd_message* m, lsmtpd_str key) {
    const auto* all = annotations(of(m));
    if (!all) return {nullptr, 0};
    const auto found = all->find(view(key));
    return found == all->end() ? lsmtpd_str{nullptr, 0} : str(found->second);
  }
  static uint32_t annotation_at(const lsmtpd_message* m, uint32_t index, lsmtpd_str* key,
                                lsmtpd_str* value) {
    const auto* all = annotations(of(m));
    if (!all || index >= all->size()) return 0;
    const auto at = std::next(all->begin(), index);
    *key = str(at->first);
    *value = str(at->second);
    return 1;
  }
  // Edits work on a copy of what there is.
  static bool begin_annotations(const View& v, View::Edits& e) {
    if (e.annotations) return true;
    auto noted = std::make_shared<View::Edits::Noted>();
    noted->memory = Reservation(v.resources_.memory);
    if (const auto* all = v.message_.annotations.get()) {
      if (!noted->memory.reserve(memory_of(*all))) return false;
      noted->all = *all;
    }
    e.annotations = std::move(noted);
    return true;
  }
  static bool begin_recipients(const View& v, View::Edits& e) {
    return e.edits_recipients() ||
           e.recipient_memory.resize(message::memory_of(*v.message_.envelope));
  }
  static int32_t annotate(const lsmtpd_message* m, lsmtpd_str key, lsmtpd_str value) {
    auto* e = of(m).edits(true);
    if (!e || !begin_annotations(of(m), *e)) return -1;
    auto& [all, memory] = *e->annotations;
    const auto found = all.find(view(key));
    const bool known = found != all.end();
    const uint64_t before = known ? memory_of(found->first, found->second) : 0;
    const uint64_t after = value.size == 0 ? 0 : memory_of(view(key), view(value));
    if (!memory.resize(memory.held() - before + after)) return -1;
    if (value.size != 0) {
      all.insert_or_assign(std::string(view(key)), std::string(view(value)));
    } else if (known) {
      all.erase(found);
    }
    return 0;
  }

  static int32_t add_recipient(const lsmtpd_message* m, lsmtpd_str address, lsmtpd_str parameters) {
    auto* e = of(m).edits(false);
    const auto bad = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    const std::string_view a = view(address), p = view(parameters);
    if (!e || a.empty() || std::any_of(a.begin(), a.end(), bad) ||
        std::any_of(p.begin(), p.end(), bad) || !begin_recipients(of(m), *e))
      return -1;
    message::Recipient added{std::string(a), std::string(p)};
    if (!e->recipient_memory.reserve(message::memory_of(added))) return -1;
    e->added.push_back(std::move(added));
    return 0;
  }
  static int32_t remove_recipient(const lsmtpd_message* m, uint64_t index) {
    auto* e = of(m).edits(false);
    const uint64_t count = of(m).message_.envelope->recipients.size();
    if (!e || index >= count) return -1;
    if (e->added.empty() && e->removed.size() + 1 == count && !e->removed.contains(index))
      return -1;
    if (!begin_recipients(of(m), *e)) return -1;
    e->removed.insert(index);
    return 0;
  }
  static int32_t prepend_header(const lsmtpd_message* m, lsmtpd_str fields) {
    auto* e = of(m).edits(false);
    const std::string_view text = view(fields);
    if (!e || !is_header_fields(text)) return -1;
    // The fields of earlier filters are copied behind the first.
    const auto* earlier = e->prefix.empty() ? of(m).message_.prefix.get() : nullptr;
    if (!e->prefix_memory.reserve(text.size() + (earlier ? earlier->size() : 0))) return -1;
    e->prefix.insert(0, text);
    return 0;
  }
  static int32_t body_append(const lsmtpd_message* m, lsmtpd_str bytes) {
    auto* e = of(m).edits(false);
    if (!e) return -1;
    const View& v = of(m);
    if (!e->writer) e->writer = std::make_unique<message::BodyWriter>(v.resources_);
    if (e->writer->wants_flush() && (v.loop_.on_thread() || !e->writer->flush())) return -1;
    return e->writer->append(view(bytes)) ? 0 : -1;
  }
  static int32_t body_commit(const lsmtpd_message* m) {
    auto* e = of(m).edits(false);
    if (!e || !e->writer || of(m).rights_ == View::Rights::build) return -1;
    if (e->writer->spilled() && e->writer->wants_flush() &&
        (of(m).loop_.on_thread() || !e->writer->flush())) {
      return -1;
    }
    e->body = e->writer->finish();
    e->writer = nullptr;
    return 0;
  }
};

const lsmtpd_message_1 View::table = {ViewTable::envelope,
                                      ViewTable::size,
                                      ViewTable::peek,
                                      ViewTable::read,
                                      ViewTable::pin,
                                      ViewTable::unpin,
                                      ViewTable::annotation,
                                      ViewTable::annotation_at,
                                      ViewTable::annotate,
                                      ViewTable::add_recipient,
                                      ViewTable::remove_recipient,
                                      ViewTable::prepend_header,
                                      ViewTable::body_append,
                                      ViewTable::body_commit};

}  // namespace lsmtpd::plugin
