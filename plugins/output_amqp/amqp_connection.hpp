// SPDX-License-Identifier: Apache-2.0
// One lane's connection to the brokers: finds one that answers, speaks TLS, SASL and Open with it,
// and starts again for ever when it is lost. A name with several addresses is one broker: an
// attempt goes through them until one comes as far as Open, each with its share of
// `connect_timeout`.
//
// Works with AddressBook (which addresses, in which order), Connector (a TCP socket), Transport
// (bytes), Failover (whom and when) and its Owner, the lane, which attaches links once
// connection_open() was called and loses them all with connection_lost(). It is the
// messaging_handler of Proton's driver; what concerns links and deliveries it hands on. Nothing
// here throws: Proton swallows what its handlers throw. start() once, shut() once. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <proton/connection.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "address_book.hpp"
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
    // Either direction.
    virtual void link_closed(pn_link_t* link, std::string_view why) = 0;
    // False: nobody asked for it.
    virtual bool message_arrived(pn_link_t* link, const proton::message& message) = 0;
    virtual void session_closed(pn_session_t* session, std::string_view why) = 0;
    virtual void delivery_updated(pn_delivery_t* delivery) = 0;
  };

  Connection(sdk::LaneHost host, const Options& options, AddressBook& book,
             std::string container_id, Owner& owner);

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
  // Of the attempt that failed last, or the present one.
  const Url& tried_url() const { return options_.urls[tried_]; }
  // The address that is or was connected to, and why others of the same name were passed over.
  std::string address() const { return next_ == 0 ? "" : addresses_[next_ - 1].text(); }
  const std::string& passed_over() const { return passed_over_; }
  proton::connection connection() { return transport_->driver().connection(); }
  Transport& transport() { return *transport_; }
  void wake() {
    if (transport_) transport_->wake();
  }
  // A link was attached: this broker is good, its loss is no reason to wait before trying it again.
  void proved();
  // Every broker was tried in vain since one was good.
  bool all_failed() const { return failover_.exhausted(); }

 private:
  std::size_t current() const { return retry_ ? failover_.current() : index_; }
  void attempt();
  void found(const AddressBook::Answer& answer);
  void try_next();
  void connected(int fd);
  void renew_password();
  Step step() const;
  void report_before(Step step);
  void expired();
  void lost(std::string_view why);
  void failed(Step step, std::string_view why);
  void drop();
  void again(std::uint64_t ms);
  std::uint64_t pause_after_loss();
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
  AddressBook& book_;
  std::string container_id_;
  std::string password_;
  Owner& owner_;
  Failover failover_;
  Connector connector_;
  std::unique_ptr<Transport> transport_;
  sdk::Timer timer_;  // the pause before an attempt, its deadline, or the patience of shut()
  Product product_;
  std::string error_;          // what Proton said last
  std::uint64_t attempt_ = 0;  // an answer of the book to an older one is ignored
  std::uint64_t deadline_ = 0;
  std::chrono::milliseconds share_{0};  // of connect_timeout, for what is under way
  std::vector<Address> addresses_;
  std::size_t next_ = 0;  // the address after the one that is tried
  std::string passed_over_;
  std::uint64_t proved_at_ = 0;
  std::size_t short_lives_ = 0;  // connections in a row that were lost soon after they were good
  std::function<void()> shut_;
  std::size_t index_ = 0;
  std::size_t tried_ = 0;
  std::size_t ending_ = 0;
  std::size_t unended_ = 0;
  bool retry_ = true;
  bool resolving_ = false;
  bool password_kept_ = false;  // the file could not be read last time
  bool open_ = false;
  bool begun_ = false;  // the broker has begun a session: it let us in
  bool proved_ = false;
  Step reported_ = Step::resolve;  // the last step that the owner heard of
};

}  // namespace lsmtpd::amqp
