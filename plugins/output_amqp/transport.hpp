// SPDX-License-Identifier: Apache-2.0
// One socket to a broker with Proton's engine on it: moves bytes between the two, keeps its clock,
// and nothing else.
//
// Order: made with a connected descriptor, which it then owns, and TLS or none; driver() is
// configured by Connection; start(). From then on whatever changes something in the engine calls
// wake(), and at the end of the loop's turn one pump dispatches the events to the handler, lets the
// owner refill the engine, and writes until the socket is full. stop() ends all activity at once;
// the object must then live on until the present callback has returned (Connection defers that).
// [loop]
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <proton/io/connection_driver.hpp>
#include <string>
#include <string_view>

#include <sink/tls.hpp>
#include "frame_watch.hpp"

namespace lsmtpd::amqp {

class Transport {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Puts into the engine what there is room for. True: something was put.
    virtual bool refill() = 0;
    // All changes in the engine have become frames.
    virtual void processed() = 0;
    // The engine has ended, nothing will come any more. stop() is called by the owner.
    virtual void transport_ended() = 0;
  };

  Transport(sdk::LaneHost host, int fd, std::unique_ptr<sink::Tls> tls, Owner& owner);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  proton::io::connection_driver& driver() { return driver_; }
  // False: the descriptor could not be watched.
  bool start();
  void stop();
  // A pump at the end of this turn of the loop.
  void wake();

  // Bytes given to the engine that the socket has not taken yet; the framing is not counted.
  std::uint64_t buffered() const { return buffered_; }
  void add_buffered(std::uint64_t bytes) { buffered_ += bytes; }
  // The frames of the peer, in clear text.
  const FrameWatch& said() const { return said_; }
  // So many more messages may come; lsmtpd only sends, so others end the connection.
  void expect_transfers(std::uint64_t count) { expected_transfers_ += count; }
  // Null without TLS.
  const sink::Tls* tls() const { return tls_.get(); }

 private:
  void pump();
  void ready(std::uint32_t events);
  void read();
  bool read_clear();
  void read_tls();
  bool take_from_tls();
  bool taken(const char* bytes, std::size_t size);
  bool write();
  bool write_tls();
  bool send_some(const char* bytes, std::size_t size, std::size_t* sent);
  void end(const std::string& why);
  void tick();
  void watch_for(std::uint32_t events);

  sdk::LaneHost host_;
  Owner& owner_;
  int fd_;
  std::unique_ptr<sink::Tls> tls_;
  proton::io::connection_driver driver_;
  sdk::Watch watch_;
  sdk::Timer timer_;
  std::uint64_t due_ = 0;  // of the timer
  std::uint32_t watched_ = 0;
  std::uint64_t buffered_ = 0;
  FrameWatch said_;
  std::uint64_t expected_transfers_ = 0;
  bool stopped_ = false;
  bool woken_ = false;
  bool blocked_ = false;  // the socket is full
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace lsmtpd::amqp
