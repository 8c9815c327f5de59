// SPDX-License-Identifier: Apache-2.0
// StreamOutlet, second part: what is published when.
#include <utility>

#include "publication_headers.hpp"
#include "stream_outlet.hpp"

namespace lsmtpd::nats {

bool StreamOutlet::feed() {
  bool fed = false;
  while (phase_ == Phase::ready && connection_.is_open() && connection_.has_room()) {
    if (current_ != nullptr) {
      if (!stream()) return fed;
      fed = true;
      continue;
    }
    Part* part = choose(options_.in_flight);
    if (part == nullptr || !publish(part)) break;
    fed = true;
  }
  return fed;
}

std::unique_ptr<Source> StreamOutlet::source(const Part& part, const sdk::Message& message) const {
  return std::make_unique<BodySource>(host_.message_table(), message, options_.format,
                                      options_.extra, part.recipients, part.claim.get());
}

// False: nothing was published, nor ended.
bool StreamOutlet::publish(Part* part) {
  if (part->producer == nullptr) return publish_small(part);
  if (part->producer->failed()) {
    unreadable(part);
    return true;
  }
  if (!begin(part, part->producer->size())) return true;
  current_ = part;
  return stream();
}

void StreamOutlet::unreadable(Part* part) {
  lane_.part_done(*part, not_sent("the content could not be read"));
}

// False: the part has its outcome. libnats wants a message in one piece, and copies it.
bool StreamOutlet::begin(Part* part, std::uint64_t size) {
  Publication next;
  next.headers = headers_of(*part, options_);
  const std::uint64_t whole = size + encoded_size(next.headers);
  if (whole > limit_) {
    lane_.part_done(*part, too_large(whole, limit_));
    return false;
  }
  next.memory = host_.reserve(2 * whole);
  if (!next.memory || !connection_.provide_for(whole)) {
    lane_.part_done(*part, not_sent("no memory left in the budget"));
    return false;
  }
  next.number = ++number_;
  next.subject = part->routing_key;
  next.reply = std::to_string(number_);
  next.body.reserve(static_cast<std::size_t>(size));
  building_ = std::move(next);
  part->phase = Part::Phase::sent;
  part->bytes = size;
  sent_.emplace(number_, part);
  lane_.part_sent(*part);
  return true;
}

void StreamOutlet::send() {
  connection_.publish(std::exchange(building_, {}));
}

bool StreamOutlet::publish_small(Part* part) {
  const std::unique_ptr<Source> body = source(*part, part->job->message);
  if (!body->prepare()) {
    unreadable(part);
    return true;
  }
  if (!begin(part, body->size())) return true;
  std::string& buffer = *lane_.scratch();
  for (std::int64_t got = 0; (got = body->produce(buffer.data(), buffer.size())) > 0;)
    building_.body.append(buffer.data(), static_cast<std::size_t>(got));
  if (building_.body.size() == body->size()) {
    send();
    return true;
  }
  sent_.erase(building_.number);
  building_ = {};
  unreadable(part);
  return true;
}

// The next piece of a large message; the last one sends it. False: it must be produced first.
bool StreamOutlet::stream() {
  if (current_->producer->failed()) {
    Part* part = std::exchange(current_, nullptr);
    sent_.erase(building_.number);
    building_ = {};
    unreadable(part);
    return true;
  }
  const std::string_view bytes = next_piece(SIZE_MAX);
  if (bytes.empty()) return false;
  building_.body.append(bytes);
  if (took(bytes.size())) send();
  return true;
}

void StreamOutlet::finish(Part* part, Outcome outcome) {
  outcome.detail += outcome.detail.empty() ? where_ : " (" + where_ + ")";
  lane_.part_done(*part, std::move(outcome));
}

}  // namespace lsmtpd::nats
