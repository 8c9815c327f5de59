// SPDX-License-Identifier: Apache-2.0
// One client: joins its stream, its SMTP session and the chain. Reads bytes, does what the session
// asks for, and writes the replies of a pipelined batch at once.
//
// Owned by its Worker, which destroys it in Service::gone. Everything is [loop].
//
// It is in one state at a time (connection_states.hpp) and waits for one thing at a time. Meanwhile
// input that comes is kept (one read at most) and reading pauses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/stream.hpp"
#include "log/log.hpp"
#include "message/message.hpp"
#include "pipeline/chain_run.hpp"
#include "pipeline/session_filters.hpp"
#include "server/connection_states.hpp"
#include "server/connection_timers.hpp"
#include "server/memory_account.hpp"
#include "server/message_receiver.hpp"
#include "server/service.hpp"
#include "server/turn_budget.hpp"

namespace lsmtpd::server {

class Connection final : io::Stream::Handler {
 public:
  static constexpr uint32_t kRefusalLines = 20;  // then one line with a count

  // `peer` was admitted by Service::peers; the connection leaves it there.
  Connection(const Service& service, std::unique_ptr<io::Stream> stream,
             std::shared_ptr<Peer> peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  void drain();  // finish the transaction under way, then 421
  void close();  // at once

 private:
  using State = ConnectionState;
  using Event = ConnectionEvent;

  // Why and how we end the session, once nothing of it is under way.
  struct Ending {
    smtp::Reply reply;
    std::string_view why;  // for the log
    log::Level level = log::Level::info;
    bool after_transaction = false;  // one that has begun comes to its end first
  };

  static Ending because(const smtp::replies::Fixed& reply, log::Level level = log::Level::info);

  // io::Stream::Handler
  using End = io::Stream::End;
  void on_read(std::string_view bytes) override;
  void on_end(End end) override;
  void on_drained() override;
  void on_closed() override;

  void advance(Event event);
  void drive(std::string_view input);
  bool act(smtp::Action action);
  void resume();
  bool keep(std::string_view input);
  void hold_back(std::string_view input);
  bool wait_for_turn(std::string_view input);
  bool write_replies();
  void send_replies();

  // connection_phases.cpp: what the session asks before there is a message
  void greet();
  void ask_phase(smtp::Phase phase);
  void decided(smtp::Phase phase, const pipeline::SessionFilters::Result& result);
  bool admit(smtp::Phase phase);
  bool keep_recipient();
  void refuse(std::string_view at, const smtp::Reply& reply, std::string_view why);

  // connection_message.cpp: the message itself
  void start_body();
  void take_body(std::string_view piece);
  void log_dropped(std::string_view why);
  void flush_body();
  void flushed(const Status& status);
  void end_body();
  void run_chain();
  void finish(const pipeline::Outcome& outcome);
  void tell_transaction_end();
  void end_transaction();
  void log_outcome(const pipeline::Outcome& outcome);
  void log_refused(std::string_view at, const smtp::Reply& reply, std::string_view why);
  void log_refusal(const smtp::Session::Refusal& refusal);
  bool may_log_refusal(uint64_t& held_back);
  void write_refused(std::string_view at, log::List to, std::vector<log::Field> more,
                     uint64_t held_back);

  // connection_end.cpp: how it ends
  bool account();
  bool out_of_memory();
  void arm_deadlines();
  void idle_too_long();
  void too_slow();
  void shut_down(Ending ending);
  bool end_if_due();
  void end_half_closed();
  void close_when_sent(bool linger);
  void log_closed(log::Level level, std::string_view why);
  void log_refusals();
  void log_if_incomplete(std::string_view why);
  void go_if_idle();
  bool waits_for_us() const { return server::waits_for_us(state_); }
  bool over() const { return is_over(state_); }
  Deadlines& deadlines() const { return service_.loop.deadlines(); }

  const Service& service_;
  std::unique_ptr<io::Stream> stream_;  // null once it is closed
  const io::Endpoint peer_;
  const std::shared_ptr<Peer> account_;
  smtp::Session session_;
  std::unique_ptr<pipeline::SessionFilters>
      session_filters_;  // only where the chain has session filters
  // Of the transaction whose end session filters are to be told; empty: there is none.
  std::string transaction_id_;
  message::TransactionEnd transaction_end_ = message::TransactionEnd::reset;
  State state_ = State::reading;
  std::unique_ptr<const Ending> ending_;
  bool half_closed_ = false;  // the client sends no more, but may still read
  bool closed_logged_ = false;

  std::string kept_;  // input that came while something was waited for
  MemoryAccount memory_;
  ConnectionTimers timers_;

  TurnBudget turn_;

  MessageReceiver receiver_;
  std::shared_ptr<pipeline::ChainRun> chain_run_;
  std::shared_ptr<const message::Envelope> envelope_;  // of the message under way, for the log
  std::string_view size_limit_by_;  // whose size limit is in force: a key, or a plugin's name
  uint64_t message_size_ = 0;
  uint64_t mail_at_ms_ = 0;
  uint64_t body_end_ms_ = 0;
  uint32_t refused_ = 0;  // commands and messages, by us
};

}  // namespace lsmtpd::server
