// SPDX-License-Identifier: Apache-2.0
#include "server/message_receiver.hpp"

#include <utility>

namespace lsmtpd::server {

void MessageReceiver::hand_to(const std::shared_ptr<Peer>& peer) {
  discard();
  peer_memory_.hand_to(peer);
  peer_spill_ = Reservation(peer->spill);  // before the former peer goes
  peer_ = peer;
}

void MessageReceiver::begin() {
  release();
  body_.emplace(resources_);
  given_up_ = complete_ = false;
}

bool MessageReceiver::append(std::string_view piece) {
  if (given_up_) return true;
  if (!peer_->may_reserve(resources_, piece.size()) || !body_->append(piece)) {
    give_up();
    return false;
  }
  uncounted_ += piece.size();
  if (uncounted_ >= kShareStep) peer_memory_.add(std::exchange(uncounted_, 0));
  return true;
}

void MessageReceiver::give_up() {
  given_up_ = true;
  discard();
}

void MessageReceiver::discard() {
  body_.reset();
  release();
}

bool MessageReceiver::reserve_spill() {
  const uint64_t held = peer_spill_.held();
  return peer_->may_spill(resources_, held, body_->size() - held) &&
         peer_spill_.resize(body_->size());
}

MessageReceiver::Received MessageReceiver::finish() {
  complete_ = false;
  Received received{body_->finish(), std::move(peer_memory_),
                    std::exchange(peer_spill_, Reservation(peer_->spill))};
  body_.reset();
  uncounted_ = 0;
  return received;
}

void MessageReceiver::release() {
  peer_memory_.release();
  peer_spill_.release();
  uncounted_ = 0;
}

}  // namespace lsmtpd::server
