// SPDX-License-Identifier: Apache-2.0
// Channel, second part: what is published when, and what the broker says of it.
#include <algorithm>

#include "channel.hpp"

namespace lsmtpd::amqp091 {

namespace {

// The body of one frame.
constexpr std::size_t kPiece = 32 * 1024;
// Octets that the socket has not taken.
constexpr std::size_t kWindow = 256 * 1024;

}  // namespace

bool Channel::room() const {
  return connection_.unsent() < kWindow;
}

std::size_t Channel::piece() const {
  return std::min<std::size_t>(kPiece, connection_.tuned().frame_max - kFrameOverhead);
}

bool Channel::feed() {
  bool fed = false;
  while (ready() && flowing_ && room()) {
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

std::unique_ptr<Source> Channel::source(const Part& part, const sdk::Message& message) const {
  return std::make_unique<BodySource>(host_.message_table(), message, options_.format,
                                      options_.extra, part.recipients, part.claim.get());
}

// False: nothing was appended.
bool Channel::publish(Part* part) {
  if (part->producer == nullptr) return publish_small(part);
  if (part->producer->failed()) {
    lane_.part_done(*part, not_sent("the content could not be read"));
    return true;
  }
  if (too_large_for_broker(part, part->producer->size())) return true;
  begin(part, part->producer->size());
  current_ = part;
  return stream();
}

bool Channel::too_large_for_broker(Part* part, std::uint64_t bytes) {
  if (bytes <= options_.max_message) return false;
  lane_.part_done(*part, too_large(bytes, options_.max_message));
  return true;
}

void Channel::begin(Part* part, std::uint64_t size) {
  put_publication(&connection_.out(), number_, exchange_, *part, size, options_,
                  connection_.tuned().frame_max);
  part->phase = Part::Phase::sent;
  part->bytes = size;
  unconfirmed_.push_back({part, false, {}});
  lane_.part_sent(*part);
}

void Channel::put_body(std::string_view bytes) {
  FrameWriter frame(&connection_.out(), FrameType::body, number_);
  connection_.out().append(bytes);
}

bool Channel::publish_small(Part* part) {
  const std::unique_ptr<Source> body = source(*part, part->job->message);
  if (!body->prepare()) {
    lane_.part_done(*part, not_sent("the content could not be read"));
    return true;
  }
  if (too_large_for_broker(part, body->size())) return true;
  begin(part, body->size());
  std::string& buffer = *lane_.scratch();
  for (std::int64_t got = 0; (got = body->produce(buffer.data(), piece())) > 0;)
    put_body({buffer.data(), static_cast<std::size_t>(got)});
  return true;
}

// One frame of the large message under way. False: it must be produced first.
bool Channel::stream() {
  const std::string_view bytes = next_piece(piece());
  if (bytes.empty()) return false;
  put_body(bytes);
  (void)took(bytes.size());
  return true;
}

// `multiple`: this one and all before it; tag 0: all.
void Channel::settle(const Confirm& confirm, bool ack) {
  const std::uint64_t end = first_tag_ + unconfirmed_.size();
  const std::uint64_t last = confirm.tag == 0 && confirm.multiple ? end - 1 : confirm.tag;
  if (last >= end || (last < first_tag_ && !confirm.multiple))
    return lane_.give_up("the broker confirmed a message that is not open");
  if (current_ != nullptr && last == end - 1)
    return lane_.give_up("the broker confirmed a message before it had all of it");
  if (!confirm.multiple) {
    Unconfirmed& entry = unconfirmed_[static_cast<std::size_t>(last - first_tag_)];
    if (entry.part == nullptr)
      return lane_.give_up("the broker confirmed a message that is not open");
    finish(&entry, ack);
  } else {
    for (std::uint64_t tag = first_tag_; tag <= last; ++tag)
      finish(&unconfirmed_[static_cast<std::size_t>(tag - first_tag_)], ack);
  }
  while (!unconfirmed_.empty() && unconfirmed_.front().part == nullptr) {
    unconfirmed_.pop_front();
    ++first_tag_;
  }
}

// A message that was returned is confirmed all the same: the return decides.
void Channel::finish(Unconfirmed* entry, bool ack) {
  Part* part = std::exchange(entry->part, nullptr);
  if (part == nullptr) return;
  Outcome outcome = entry->returned ? std::move(entry->outcome) : ack ? confirmed() : nacked();
  outcome.detail += outcome.detail.empty() ? where_ : " (" + where_ + ")";
  lane_.part_done(*part, std::move(outcome));
}

// basic.return names no tag: the message is known by the copy's id in its header.
void Channel::header(Reader payload) {
  if (!returned_) return lane_.give_up("the broker sent a message that it was not asked for");
  const Returned returned = *std::exchange(returned_, std::nullopt);
  const Fields headers = read_headers(payload);
  const auto id = headers.find(kCopyId);
  for (Unconfirmed& entry : unconfirmed_) {
    if (entry.part == nullptr || entry.returned || id == headers.end() ||
        entry.part->copy_id != id->second)
      continue;
    entry.returned = true;
    entry.outcome = unroutable(returned, options_.unroutable_is_final);
    return;
  }
  lane_.give_up("the broker returned a message that is not open");
}

void Channel::lose_unconfirmed(std::string_view why) {
  current_ = nullptr;
  returned_.reset();
  std::deque<Unconfirmed> lost;
  lost.swap(unconfirmed_);
  first_tag_ = 1;
  for (Unconfirmed& entry : lost) {
    if (entry.part == nullptr) continue;
    lane_.part_done(*entry.part, entry.returned ? std::move(entry.outcome) : lost_unconfirmed(why));
  }
}

}  // namespace lsmtpd::amqp091
