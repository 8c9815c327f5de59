// SPDX-License-Identifier: Apache-2.0
// One lane's connection to the brokers: TLS, login and the virtual host with the one that the
// Dialer reaches; heartbeats; and the broker's word that it is blocked or closes. Whatever belongs
// to a channel goes to the lane as Events.
//
// out() is for frames; wake() after appending, outside refill(). [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <sink/broker_connection.hpp>
#include <sink/byte_pump.hpp>
#include <sink/password_file.hpp>
#include <string>
#include <string_view>

#include "amqp091_options.hpp"
#include "frame_reader.hpp"
#include "handshake.hpp"

namespace lsmtpd::amqp091 {

class Connection : public BrokerConnection, private BytePump::Owner, private FrameReader::Handler {
 public:
  // Of channels and alarms. A connection without channels has this class itself.
  class Events {
   public:
    virtual ~Events() = default;
    // The broker takes nothing (an alarm), or takes again.
    virtual void connection_blocked(std::string_view /*why*/) {}
    virtual void connection_unblocked() {}
    virtual void channel_method(std::uint16_t /*channel*/, Method /*method*/, Reader /*payload*/) {}
    // The header of a returned message.
    virtual void channel_header(std::uint16_t /*channel*/, Reader /*payload*/) {}
  };

  Connection(sdk::LaneHost host, const Options& options, Dialing& dialing, std::string name,
             BrokerConnection::Owner& lane, Events& events);

  void replace(std::string_view why) override;
  void shut(std::function<void()> done) override;
  void wake() override {
    if (pump_) pump_->wake();
  }

  // While it is open.
  std::string& out() { return pump_->out(); }
  std::size_t unsent() const { return pump_->unsent(); }
  const Tune& tuned() const { return handshake_->tuned(); }
  const Fields& server() const { return handshake_->server(); }
  std::string product() const;  // "RabbitMQ 4.0.5"

 private:
  // Dialer::Owner
  void connected(int fd) override;
  Step step() const override;
  void drop(Step step) override;
  // BytePump::Owner
  void received(std::string_view bytes) override;
  bool refill() override { return open_ && lane_.refill(); }
  void secured() override;
  void ended(const std::string& why) override;
  // FrameReader::Handler
  bool frame(FrameType type, std::uint16_t channel, std::string_view payload,
             std::uint32_t size) override;

  void handshake_method(Method method, Reader payload);
  bool own_method(Method method, Reader payload);
  void opened();
  void beat();
  void end_later(std::string why);
  void end(std::string_view why);
  void lost(std::string_view why);

  sdk::LaneHost host_;
  const Options& options_;
  std::string name_;
  Password password_;
  Events& events_;
  std::unique_ptr<BytePump> pump_;
  std::optional<FrameReader> frames_;
  std::string password_now_;  // as the handshake sees it
  std::optional<Handshake> handshake_;
  sdk::Timer heartbeat_timer_;
  sdk::Timer end_timer_;  // the patience of shut(), or the turn after a close of the broker
  std::function<void()> shut_;
  bool ending_ = false;
};

}  // namespace lsmtpd::amqp091
