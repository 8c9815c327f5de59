// SPDX-License-Identifier: Apache-2.0
// The body of the message that a connection receives: kept in memory or in its file, or given up
// where neither has room; then the rest is read and thrown away, so that the client gets its reply.
// [loop], except for flush().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "message/body.hpp"
#include "server/peers.hpp"

namespace lsmtpd::server {

class MessageReceiver {
 public:
  static constexpr uint64_t kShareStep = 1024;  // the peer's share is counted in these

  // A body, with its peer's share of memory and spill.
  struct Received {
    std::shared_ptr<const message::Body> body;
    PeerReservation memory;
    Reservation spill;
  };

  MessageReceiver(message::ResourceLimits& resources, std::shared_ptr<Peer> peer)
      : resources_(resources),
        peer_(std::move(peer)),
        peer_memory_(peer_),
        peer_spill_(peer_->spill) {}

  // It is another peer's from now on. Between messages only.
  void hand_to(const std::shared_ptr<Peer>& peer);

  void begin();
  // False: there was no room, and the message has just been given up.
  [[nodiscard]] bool append(std::string_view piece);
  void give_up();
  void discard();  // there is no message any more

  // True: nothing can keep the message. Until the next begin().
  bool given_up() const { return given_up_; }
  // True: memory is short, and what there is must go to the file before more comes.
  bool wants_flush() const { return body_ && body_->wants_flush(); }
  // Before flush(). False: the peer's share of limits.spill is used up.
  [[nodiscard]] bool reserve_spill();
  // Blocks on the disk: from the pool, and nothing else is called meanwhile.
  Status flush() { return body_->flush(); }
  void flushed() { peer_memory_.release(); }
  // All of it has come, and waits for its file.
  void set_complete(bool complete) { complete_ = complete; }
  bool complete() const { return complete_; }

  uint64_t size() const { return body_->size(); }
  Received finish();

 private:
  void release();

  message::ResourceLimits& resources_;
  std::shared_ptr<Peer> peer_;
  std::optional<message::BodyWriter> body_;
  PeerReservation peer_memory_;
  Reservation peer_spill_;
  uint64_t uncounted_ = 0;  // octets since the last step
  bool given_up_ = false;
  bool complete_ = false;
};

}  // namespace lsmtpd::server
