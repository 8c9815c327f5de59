// SPDX-License-Identifier: Apache-2.0
// One lane's connection to the brokers: speaks TLS, SASL and Open with the one that the Dialer
// reaches, and has it start again for ever when that is lost.
//
// Works with Dialer (which broker, address and when), Transport (bytes) and the lane, which
// attaches links once connection_open() was called and loses them all with connection_lost(). It is
// the messaging_handler of Proton's driver; what concerns links and deliveries it hands on as
// Events. Nothing here throws: Proton swallows what its handlers throw. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <proton/connection.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <sink/broker_connection.hpp>
#include <sink/password_file.hpp>
#include "amqp_options.hpp"
#include "product.hpp"
#include "transport.hpp"

namespace lsmtpd::amqp {

class Connection : public BrokerConnection,
                   private Transport::Owner,
                   private proton::messaging_handler {
 public:
  // Of links and deliveries. A connection without any has this class itself.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void sender_open(pn_link_t* /*link*/) {}
    // Either direction.
    virtual void link_closed(pn_link_t* /*link*/, std::string_view /*why*/) {}
    // False: nobody asked for it.
    virtual bool message_arrived(pn_link_t* /*link*/, const proton::message& /*message*/) {
      return false;
    }
    virtual void session_closed(pn_session_t* /*session*/, std::string_view /*why*/) {}
    virtual void delivery_updated(pn_delivery_t* /*delivery*/) {}
  };

  Connection(sdk::LaneHost host, const Options& options, Dialing& dialing, std::string container_id,
             BrokerConnection::Owner& lane, Events& events);

  void replace(std::string_view why) override;
  void shut(std::function<void()> done) override;
  void wake() override {
    if (transport_) transport_->wake();
  }

  const Product& product() const { return product_; }
  // The broker takes messages without a target on the link (Anonymous Terminus for Message Routing
  // 1.0).
  bool offers_anonymous_terminus() const { return offers_anonymous_terminus_; }
  // How many sessions the broker allows at once (channel-max). Proton stops for good, and without a
  // word, where one more is opened; one that was ended keeps its place until the engine says so.
  std::size_t sessions() const;
  // Detaches the link and ends the session, which are not the caller's any more.
  void end_session(pn_link_t* link, pn_session_t* session);
  // Sessions that take a place and are no link's any more.
  std::size_t ending() const { return ending_; }
  proton::connection connection() { return transport_->driver().connection(); }
  Transport& transport() { return *transport_; }

 private:
  // Dialer::Owner
  void connected(int fd) override;
  Step step() const override;
  void drop(Step step) override;

  void report_before(Step step);
  void failed(Step step, std::string_view why);
  void lost(std::string_view why);
  std::string explain(const std::string& error) const;

  bool refill() override { return open_ && lane_.refill(); }
  void processed() override { ending_ = 0; }
  void transport_ended() override;

  void on_connection_open(proton::connection& connection) override;
  void on_connection_error(proton::connection& connection) override;
  void on_connection_close(proton::connection& connection) override;
  void on_transport_error(proton::transport& transport) override;
  void on_session_open(proton::session& session) override;
  void on_session_error(proton::session& session) override;
  void on_session_close(proton::session& session) override;
  void on_receiver_open(proton::receiver& receiver) override;
  void on_receiver_error(proton::receiver& receiver) override;
  void on_receiver_close(proton::receiver& receiver) override;
  void on_receiver_detach(proton::receiver& receiver) override;
  void on_message(proton::delivery& delivery, proton::message& message) override;
  void on_sender_open(proton::sender& sender) override;
  void on_sender_error(proton::sender& sender) override;
  void on_sender_close(proton::sender& sender) override;
  void on_sender_detach(proton::sender& sender) override;
  void on_sendable(proton::sender& sender) override;
  void on_tracker_accept(proton::tracker& tracker) override;
  void on_tracker_reject(proton::tracker& tracker) override;
  void on_tracker_release(proton::tracker& tracker) override;
  void on_tracker_settle(proton::tracker& tracker) override;
  void on_error(const proton::error_condition& error) override;
  void updated(const proton::tracker& tracker);
  void intruded(const std::string& what);
  std::string unusable_open(const proton::connection& connection) const;

  sdk::LaneHost host_;
  const Options& options_;
  std::string container_id_;
  Password password_;
  Events& events_;
  std::unique_ptr<Transport> transport_;
  sdk::Timer timer_;  // the patience of shut()
  Product product_;
  bool offers_anonymous_terminus_ = false;
  std::string error_;  // what Proton said last
  std::function<void()> shut_;
  std::size_t ending_ = 0;
  std::size_t unended_ = 0;
  std::unordered_set<pn_session_t*> begun_sessions_;  // and not ended
  bool begun_ = false;             // the broker has begun a session: it let us in
  Step reported_ = Step::resolve;  // the last step that the owner heard of
};

}  // namespace lsmtpd::amqp
