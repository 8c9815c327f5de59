// SPDX-License-Identifier: Apache-2.0
// One socket to a broker, with TLS or without: octets in, octets out.
//
// Order: made with a connected descriptor, which it then owns; start(). The owner appends to out()
// and calls wake(); at the end of the loop's turn one pump lets the owner refill and writes until
// the socket is full. received() gets what came. stop() ends all activity at once; the object must
// then live on until the present callback has returned. [loop]
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "tls.hpp"

namespace lsmtpd::sink {

class BytePump {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Clear text, valid during the call.
    virtual void received(std::string_view bytes) = 0;
    // Appends to out() what there is room for. True: something was.
    virtual bool refill() = 0;
    // The handshake of TLS is through.
    virtual void secured() = 0;
    // The socket has ended. stop() is called by the owner.
    virtual void ended(const std::string& why) = 0;
  };

  BytePump(sdk::LaneHost host, int fd, std::unique_ptr<Tls> tls, Owner& owner);
  ~BytePump();
  BytePump(const BytePump&) = delete;
  BytePump& operator=(const BytePump&) = delete;

  // False: the descriptor could not be watched.
  bool start();
  void stop();
  // A pump at the end of this turn of the loop.
  void wake();

  // Clear text that the socket has not taken yet; append only.
  std::string& out() { return out_; }
  std::size_t unsent() const { return out_.size() - out_sent_; }
  // Null without TLS.
  const Tls* tls() const { return tls_.get(); }
  // Milliseconds of the loop's clock, of the last octets that came and went.
  std::uint64_t heard_at() const { return heard_at_; }
  std::uint64_t said_at() const { return said_at_; }

 private:
  void pump();
  void ready(std::uint32_t events);
  bool read();
  bool take_from_tls();
  bool write();
  bool write_tls();
  bool send_some(std::string_view bytes, std::size_t* sent);
  void taken(std::size_t bytes);
  void end(const std::string& why);
  void watch_for(std::uint32_t events);

  sdk::LaneHost host_;
  Owner& owner_;
  int fd_;
  std::unique_ptr<Tls> tls_;
  sdk::Watch watch_;
  std::uint32_t watched_ = 0;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::uint64_t heard_at_ = 0;
  std::uint64_t said_at_ = 0;
  bool secured_ = false;
  bool stopped_ = false;
  bool woken_ = false;
  bool blocked_ = false;  // the socket is full
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace lsmtpd::sink
