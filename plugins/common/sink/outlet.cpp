// SPDX-License-Identifier: Apache-2.0
#include "outlet.hpp"

#include <algorithm>

#include "producer.hpp"

namespace lsmtpd::sink {

namespace {

// Content above this, or in a file, goes through a Producer.
constexpr std::uint64_t kSmallContent = 64 * 1024;
// Large messages that are measured before their turn.
constexpr int kAhead = 4;

// Octets that the flight has to have room for.
std::uint64_t size_of(const Part& part) {
  return part.claim != nullptr ? part.claim->reference.size() : part.job->message.size();
}

}  // namespace

void Outlet::enqueue(Part* part) {
  part->outlet = this;
  (part->job->replay ? replay_ : live_).push_back(part);
}

void Outlet::forget(Part* part) {
  auto& queue = part->job->replay ? replay_ : live_;
  const auto found = std::find(queue.begin(), queue.end(), part);
  if (found != queue.end()) queue.erase(found);
}

void Outlet::fail_queued(const Outcome& outcome) {
  for (auto* queue : {&live_, &replay_}) {
    std::deque<Part*> parts;
    parts.swap(*queue);
    for (Part* part : parts) lane_.part_done(*part, outcome);
  }
}

Part* Outlet::choose(std::uint32_t credit) {
  if (credit == 0) return nullptr;
  if (Part* part = take(&live_)) return part;
  const Flight& flight = lane_.flight();
  if (!live_.empty() || flight.replaying() >= flight.replay_limit(credit)) return nullptr;
  return take(&replay_);
}

// The first part that is ready and that there is room for; large ones are overtaken while they are
// measured.
Part* Outlet::take(std::deque<Part*>* queue) {
  int ahead = 0;
  for (auto it = queue->begin(); it != queue->end() && ahead <= kAhead; ++it) {
    Part* part = *it;
    if (!ready(part)) {
      ++ahead;
      continue;
    }
    if (!lane_.flight().has_room(size_of(*part))) return nullptr;
    queue->erase(it);
    return part;
  }
  return nullptr;
}

// False: it is large and still being measured.
bool Outlet::ready(Part* part) {
  if (part->claim != nullptr) return true;
  const sdk::Message& message = part->job->message;
  if (part->producer == nullptr) {
    if (message.size() <= kSmallContent && message.in_memory()) return true;
    part->producer = std::make_shared<Producer>(host_, message, [this] { lane_.wake(); });
    // The producer's own message: a step on the pool may outlive the call.
    part->producer->prepare(source(*part, part->producer->message()));
  }
  return part->producer->prepared() || part->producer->failed();
}

std::string_view Outlet::next_piece(std::size_t most) {
  Producer& producer = *current_->producer;
  const std::string_view piece = producer.bytes().substr(0, most);
  if (!piece.empty()) return piece;
  if (producer.failed()) {
    lane_.give_up("the content of a message could not be read");
  } else {
    producer.fill();
  }
  return {};
}

bool Outlet::took(std::size_t bytes) {
  Producer& producer = *current_->producer;
  producer.consume(bytes);
  if (!producer.finished()) return false;
  producer.forget();
  current_->producer.reset();
  current_ = nullptr;
  return true;
}

}  // namespace lsmtpd::sink
