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
#include "plugin/pending_call.hpp"
#include "server/connection_states.hpp"
#include "server/connection_timers.hpp"
#include "server/memory_account.hpp"
#include "server/message_receiver.hpp"
#include "server/origin.hpp"
#include "server/service.hpp"
#include "server/tls_room.hpp"
#include "server/turn_budget.hpp"
#include "server/worker_report.hpp"

namespace lsmtpd::server {

class Connection final : io::Stream::Handler {
 public:
  static constexpr uint32_t kRefusalLines = 20;  // then one line with a count

  // `service` keeps its generation. `peer` was admitted by Service::peers; the connection leaves it
  // there.
  Connection(std::shared_ptr<const Service> service, std::unique_ptr<io::Stream> stream,
             std::shared_ptr<Peer> peer, Origin origin = {});
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  void drain();  // finish the transaction under way, then 421
  // A drain has no more time: filters that are asked are told to stop, and the client gets its 421.
  void cut_off();
  // A newer generation is in force; `next` is its service for this listener, or null where it has
  // no such listener any more. It takes it as soon as it can.
  void offer(std::shared_ptr<const Service> next);
  // It must not keep its generation: where it cannot go over by itself, it ends between
  // transactions.
  void leave();
  const std::string& address() const { return service_->listener.address; }
  uint64_t generation() const { return service_->generation; }
  void close();  // at once
  void begin_trace(const std::shared_ptr<const Trace>& trace);
  void end_trace(const Trace& trace);
  SessionInfo describe() const;

 private:
  using State = ConnectionState;
  using Event = ConnectionEvent;

  // Why and how we end the session, once nothing of it is under way.
  struct Ending {
    smtp::Reply reply;
    std::string_view why;  // for the log
    log::Level level = log::Level::info;
    bool after_transaction = false;  // one that has begun comes to its end first
    Reason reason = Reason::shutdown;
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
  bool wait_for_turn(std::string_view input);
  void change_client();

  // connection_flow.cpp: input that is kept, and replies
  void resume();
  bool keep(std::string_view input);
  void hold_back(std::string_view input);
  bool write_replies();
  void send_replies();

  // connection_phases.cpp: what the session asks before there is a message
  void greet();
  void ask_phase(smtp::Phase phase);
  void ask_filters(smtp::Phase phase);
  message::Envelope without_transaction() const;
  bool heard(smtp::Phase asked, smtp::Phase phase, const pipeline::SessionFilters::Result& result);
  void decided(smtp::Phase phase, const pipeline::SessionFilters::Result& result);
  bool early_talk() const;
  bool admit(smtp::Phase phase);
  bool keep_recipient();
  void refuse(std::string_view at, const smtp::Reply& reply, std::string_view why, Reason reason);

  // connection_routes.cpp
  bool take_recipient();
  std::optional<size_t> find_route();
  bool admit_route(const pipeline::Route& route);

  // connection_auth.cpp
  void offer_auth();
  void authenticate();
  void auth_wait_over();
  void give_up_auth_wait();
  void verify();
  void verify_overdue();
  void verified(const plugin::Verdict& verdict);
  void auth_failed(bool unknown_user);
  bool auth_pending() const { return auth_call_.open() || auth_wait_.armed(); }
  void cancel_auth();
  void auth_unavailable(std::string_view why, AuthResult result = AuthResult::unavailable);
  static void clear(std::string_view input);

  // connection_message.cpp: the message itself
  void start_body();
  void take_body(std::string_view piece);
  void log_dropped(std::string_view why);
  void flush_body();
  void flushed(const Status& status);
  void end_body();
  void run_chain();
  void add_traceparent(message::Message& message);
  void finish(const pipeline::Outcome& outcome);
  void tell_transaction_end();
  void end_transaction();
  void count(const pipeline::Outcome& outcome);

  // connection_log.cpp: its log lines about messages and refusals
  void log_outcome(const pipeline::Outcome& outcome);
  void log_refused(std::string_view at, const smtp::Reply& reply, std::string_view why);
  void log_refusal(const smtp::Session::Refusal& refusal);
  bool may_log_refusal(uint64_t& held_back);
  void write_refused(std::string_view at, log::List to, const log::Fields& more,
                     uint64_t held_back);
  void log_refusals();

  // connection_tls.cpp
  bool reserve_tls();
  void begin_with_tls();
  bool start_tls();
  void begin_handshake();
  void give_up_handshake();
  void handshaken(Result<io::TlsStream::Facts> facts);
  void tls_failed(std::string_view why);

  // connection_trace.cpp: for operators who wait for its dialogue
  void begin_traces();

  // connection_generation.cpp: another configuration
  bool fits(const Service& next) const;
  bool has_filters_of(const Service& next) const;
  void go_over_if_idle();
  void go_over_at_mail();
  void go_over();

  // connection_end.cpp: how it ends
  bool hold_memory();
  bool out_of_memory();
  void arm_deadlines();
  void idle_too_long();
  void too_slow();
  void shut_down(Ending ending);
  bool cancel_filters();
  bool filters_are_asked_at_connect() const;
  bool end_if_due();
  void end_half_closed();
  void close_when_sent(bool linger);
  // Adds the proxy, if there is one, and writes the line.
  void log_line(log::Level level, log::Event event, log::Fields& fields) const;
  void log_line(log::Level level, log::Event event, log::Fields&& fields) const {
    log_line(level, event, fields);
  }
  void log_closed(log::Level level, std::string_view why);
  void log_if_incomplete(std::string_view why);
  void go_if_idle();
  bool waits_for_us() const { return server::waits_for_us(state_); }
  bool over() const { return is_over(state_); }
  Deadlines& deadlines() const { return service_->loop.deadlines(); }

  std::shared_ptr<const pipeline::Chain> chain() const { return {service_, &service_->chain}; }

  std::shared_ptr<const Service> service_;
  std::shared_ptr<const Service> next_service_;  // a newer one that it has not taken yet
  bool listener_gone_ = false;                   // the newest generation has none for it
  std::shared_ptr<Peer> peer_;
  std::unique_ptr<TlsAccount> tls_;     // outlives the stream, which tells it what it holds
  std::unique_ptr<io::Stream> stream_;  // null once it is closed
  io::Endpoint remote_;
  Origin origin_;
  smtp::Session session_;
  std::unique_ptr<pipeline::SessionFilters>
      session_filters_;  // only where the chain has session filters
  // Phases that its filters have not been asked about: they came with a newer generation.
  std::vector<smtp::Phase> missed_;
  // Of the transaction whose end session filters are to be told; empty: there is none.
  std::string transaction_id_;
  message::TransactionEnd transaction_end_ = message::TransactionEnd::reset;
  State state_ = State::reading;
  std::unique_ptr<const Ending> ending_;
  bool half_closed_ = false;  // the client sends no more, but may still read
  bool closed_logged_ = false;
  bool named_by_xclient_ = false;
  bool in_tls_ = false;  // a handshake of ours is done

  std::unique_ptr<SessionTrace> trace_;  // null: nobody waits for the dialogue

  std::string kept_;  // input that came while something was waited for
  MemoryAccount memory_;
  ConnectionTimers timers_;

  TurnBudget turn_;

  plugin::PendingCall auth_call_{[this] { verify_overdue(); }};
  Deadlines::Entry auth_wait_{[this] { auth_wait_over(); }};
  uint32_t guesses_ = 0;  // failed authentications that count

  MessageReceiver receiver_;
  std::shared_ptr<pipeline::ChainRun> chain_run_;
  std::shared_ptr<const message::Envelope> envelope_;  // of the message under way, for the log
  std::string traceparent_;                            // of that message; empty: none
  std::optional<size_t> first_route_;                  // of the transaction's first recipient
  std::string_view size_limit_by_;  // whose size limit is in force: a key, or a plugin's name
  uint64_t number_;                 // names the session to its filters, and to operators
  const uint64_t connected_ms_;
  uint64_t message_size_ = 0;
  uint64_t handshake_at_ms_ = 0;
  uint64_t mail_at_ms_ = 0;
  uint64_t body_end_ms_ = 0;
  uint32_t refused_ = 0;  // commands and messages, by us
};

}  // namespace lsmtpd::server
