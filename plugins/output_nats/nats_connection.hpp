// SPDX-License-Identifier: Apache-2.0
// One lane's connection to the servers: a Courier for each attempt that the Dialer makes. Couriers
// that were given up are kept until their threads have ended; shut() waits for that. [loop]
#pragma once

#include <functional>
#include <list>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <sink/broker_connection.hpp>
#include <sink/password_file.hpp>
#include <string>
#include <string_view>

#include "courier.hpp"
#include "nats_options.hpp"

namespace lsmtpd::nats {

class Connection : public BrokerConnection, private Courier::Owner {
 public:
  // A connection that publishes nothing has this class itself.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void answered(const Answer& /*answer*/) {}
    virtual void denied(const std::string& /*why*/) {}
  };

  Connection(const sdk::LaneHost& host, const Options& options, Dialing& dialing, std::string name,
             BrokerConnection::Owner& lane, Events& events);

  void replace(std::string_view why) override;
  void shut(std::function<void()> done) override;
  void wake() override;

  // While it is open.
  // False: wake() follows when there is room again.
  bool has_room();
  void publish(Publication publication);
  const Courier::Server& server() const { return courier_->server(); }
  // Memory for what libnats buffers of messages of that size, until the connection ends. False: the
  // budget has no more.
  bool provide_for(std::uint64_t bytes);

  // Of the present connection, or of the last one: no later publication went out.
  std::uint64_t last_given() const { return courier_ ? courier_->last_given() : last_given_; }

 private:
  // Dialer::Owner
  bool dial(const Address& address, std::chrono::milliseconds share) override;
  void connected(int) override {}
  Step step() const override { return courier_ ? courier_->step() : Step::connect; }
  void drop(Step step) override;
  // Courier::Owner
  void courier_open(Courier& courier) override;
  void courier_answers(Courier& courier, std::vector<Answer> answers) override;
  void courier_denied(Courier& courier, const std::string& why) override;
  void courier_has_room(Courier& courier) override;
  void courier_failed(Courier& courier, Step step, const std::string& why) override;
  void courier_ended(Courier& courier) override;

  bool is_present(const Courier& courier) const { return courier_.get() == &courier; }
  void end(Step step, std::string_view why);

  sdk::LaneHost host_;
  const Options& options_;
  const std::string name_;
  Password password_;
  Password token_;
  Events& events_;
  std::unique_ptr<Courier> courier_;
  std::list<std::unique_ptr<Courier>> ending_;
  std::uint64_t last_given_ = 0;
  std::vector<sdk::Reservation> buffers_;
  std::uint64_t provided_ = 0;
  bool woken_ = false;
  std::function<void()> shut_;
};

}  // namespace lsmtpd::nats
