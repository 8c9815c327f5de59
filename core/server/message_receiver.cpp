// SPDX-License-Identifier: Apache-2.0
#include "server/message_receiver.hpp"

#include <utility>

namespace lsmtpd::server {

void MessageReceiver::begin() {
  release();
  body_.emplace(resources_);
  given_up_ = complete_ = false;
}

bool MessageReceiver::append(std::string_view piece) {
  if (given_up_) return true;
  if (!peer_->may_take(resources_, piece.size()) || !body_->append(piece)) {
    give_up();
    return false;
  }
  uncounted_ += piece.size();
  if (uncounted_ >= kShareStep) memory_share_.add(std::exchange(uncounted_, 0));
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
  const uint64_t held = spill_share_.held();
  return peer_->may_spill(resources_, held, body_->size() - held) &&
         spill_share_.resize(body_->size());
}

MessageReceiver::Received MessageReceiver::finish() {
  complete_ = false;
  Received received{body_->finish(), std::move(memory_share_),
                    std::exchange(spill_share_, Reservation(peer_->spill))};
  body_.reset();
  uncounted_ = 0;
  return received;
}

void MessageReceiver::release() {
  memory_share_.release();
  spill_share_.release();
  uncounted_ = 0;
}

}  // namespace lsmtpd::server
