// SPDX-License-Identifier: Apache-2.0
// One lane's connection to the brokers: finds one that answers, speaks TLS, SASL and Open with it,
// and starts again for ever when it is lost.
//
// Works with Connector (a TCP socket), Transport (bytes), Failover (whom and when) and its Owner,
// the lane, which attaches links once connection_open() was called and loses them all with
// connection_lost(). It is the messaging_handler of Proton's driver; what concerns links and
// deliveries it hands on. Nothing here throws: Proton swallows what its handlers throw. start()
// once, shut() once. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <proton/connection.hpp>
#include <proton/messaging_handler.hpp>
#include <string>
#include <string_view>

#include "amqp_options.hpp"
#include "connector.hpp"
#include "product.hpp"
#include "transport.hpp"

namespace lsmtpd::amqp {

// The steps of an attempt, in order; the numbers are the exit statuses of `check --live`.
enum class Step { resolve = 10, connect = 11, tls = 12, sasl = 13, open = 14, attach = 15 };
std::string_view to_string(Step step);

class Connection : private Transport::Owner, private proton::messaging_handler {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void step_done(Step step, std::string_view text) = 0;
    // This attempt failed; the next one comes by itself.
    virtual void attempt_failed(Step step, std::string_view why) = 0;
    virtual void connection_open() = 0;
    virtual void connection_lost(std::string_view why) = 0;
    virtual bool refill() = 0;
    virtual void sender_open(pn_link_t* link) = 0;
    virtual void sender_closed(pn_link_t* link, std::string_view why) = 0;
    virtual void session_closed(pn_session_t* session, std::string_view why) = 0;
    virtual void delivery_updated(pn_delivery_t* delivery) = 0;
  };

  Connection(sdk::LaneHost host, const Options& options, std::string container_id, Owner& owner);

  // retry = false: one attempt at url number `index`, for a probe.
  void start(bool retry = true, std::size_t index = 0);
  // Gives this connection up, and tries the brokers again.
  void replace(std::string_view why);
  // Says close to the broker, and calls `done` when that is through or a second has passed.
  void shut(std::function<void()> done);

  bool is_open() const { return open_; }
  const Product& product() const { return product_; }
  // How many sessions the broker allows at once (channel-max). Proton stops for good, and without a
  // word, where one more is opened; one that was ended keeps its place until the engine says so.
  std::size_t sessions() const;
  // Detaches the link and ends the session, which are not the caller's any more.
  void end_session(pn_link_t* link, pn_session_t* session);
  // Sessions that take a place and are no link's any more.
  std::size_t ending() const { return ending_; }
  const Url& url() const { return options_.urls[current()]; }
  proton::connection connection() { return transport_->driver().connection(); }
  Transport& transport() { return *transport_; }
  void wake() {
    if (transport_) transport_->wake();
  }
  // A link was attached: this broker is good, its loss is no reason to wait before trying it again.
  void proved() {
    proved_ = true;
    failover_.succeeded();
  }
  // Every broker was tried in vain since one was good.
  bool all_failed() const { return failover_.exhausted(); }

 private:
  std::size_t current() const { return retry_ ? failover_.current() : index_; }
  void attempt();
  void connected(int fd);
  bool configure_tls(pn_transport_t* transport, std::string* error);
  Step step() const;
  void report_before(Step step);
  void expired();
  void lost(std::string_view why);
  void failed(Step step, std::string_view why);
  void drop();
  void again(std::uint64_t ms);
  std::string explain(const std::string& error) const;

  bool refill() override { return open_ && owner_.refill(); }
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
  void intruded(const char* what);

  sdk::LaneHost host_;
  const Options& options_;
  std::string container_id_;
  Owner& owner_;
  Failover failover_;
  Connector connector_;
  std::unique_ptr<Transport> transport_;
  sdk::Timer timer_;  // the pause before an attempt, its deadline, or the patience of shut()
  Product product_;
  std::string error_;  // what Proton said last
  std::function<void()> shut_;
  std::size_t index_ = 0;
  std::size_t ending_ = 0;
  std::size_t unended_ = 0;
  bool retry_ = true;
  bool open_ = false;
  bool begun_ = false;  // the broker has begun a session: it let us in
  bool proved_ = false;
  Step reported_ = Step::resolve;  // the last step that the owner heard of
};

}  // namespace lsmtpd::amqp
