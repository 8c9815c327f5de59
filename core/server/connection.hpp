// SPDX-License-Identifier: Apache-2.0
// One client: joins its TCP stream, its SMTP session and the chain. Reads bytes, does what the
// session asks for, and writes the replies of a pipelined batch at once.
//
// Owned by its Worker, which destroys it in Service::gone. Everything is [loop].
//
// What it waits for, one thing at a time (Waiting): the banner's delay, a check by session filters,
// the spill file, the chain's outcome, or the client taking its replies. Meanwhile input that comes
// is kept (one read at most) and reading pauses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadlines.hpp"
#include "io/tcp.hpp"
#include "log/log.hpp"
#include "message/message.hpp"
#include "pipeline/chain_run.hpp"
#include "pipeline/session_filters.hpp"
#include "server/service.hpp"

namespace lsmtpd::server {

class Connection final : io::TcpStream::Handler {
 public:
  // `peer` was admitted by Service::peers; the connection leaves it there.
  Connection(const Service& service, std::unique_ptr<io::TcpStream> stream, io::Endpoint peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  void drain();  // finish the transaction under way, then 421
  void close();  // at once

 private:
  enum class Waiting : uint8_t { nothing, banner, phase, spill, outcome, client };

  // Why and how we end the session, once nothing of it is under way.
  struct Ending {
    smtp::Reply reply;
    std::string_view why;  // for the log
    log::Level level = log::Level::info;
    bool after_transaction = false;  // one that has begun comes to its end first
  };

  // io::TcpStream::Handler
  void on_read(std::string_view bytes) override;
  void on_end(bool end) override;
  void on_drained() override;
  void on_closed() override;

  void drive(std::string_view input);
  bool act(smtp::Action action);
  void resume();
  bool keep(std::string_view input);
  bool write_replies();
  void send_replies();

  // connection_phases.cpp: what the session asks before there is a message
  void greet();
  void ask_phase(uint32_t phase);
  void decided(uint32_t phase, const pipeline::SessionFilters::Result& result);
  bool admit(uint32_t phase);
  bool keep_recipient();
  void refuse(std::string_view at, const smtp::Reply& reply, std::string_view why);

  // connection_message.cpp: the message itself
  void start_body();
  void take_body(std::string_view piece);
  void give_up_body(std::string_view why);
  void flush_body();
  void flushed(const Status& status);
  void end_body();
  void run_chain();
  void finish(const pipeline::Outcome& outcome);
  void log_outcome(const pipeline::Outcome& outcome);
  void log_refused(std::string_view at, const smtp::Reply& reply, std::string_view why);

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
  void log_if_incomplete(std::string_view why);
  void go_if_idle();
  bool busy() const { return chain_run_ || waiting_ == Waiting::spill; }
  // The client has no part in it: what it is told must wait for that.
  bool waits_for_us() const {
    return waiting_ == Waiting::phase || waiting_ == Waiting::spill || waiting_ == Waiting::outcome;
  }

  const Service& service_;
  std::unique_ptr<io::TcpStream> stream_;
  const io::Endpoint peer_;
  smtp::Session session_;
  std::unique_ptr<pipeline::SessionFilters>
      session_filters_;  // only where the chain has session filters
  Waiting waiting_ = Waiting::nothing;
  std::unique_ptr<const Ending> ending_;
  bool half_closed_ = false;  // the client sends no more, but may still read
  bool ended_ = false;        // the connection is over
  bool closing_ = false;      // the last reply is on its way
  bool closed_logged_ = false;
  bool closed_ = false;  // the stream is gone; we go too once nothing is under way

  std::string kept_;  // input that came while something was waited for
  Reservation kept_memory_;
  Reservation
      held_memory_;  // what the session and the stream hold for a client in the middle of things

  std::optional<message::BodyWriter> body_;
  bool body_refused_ = false;   // no memory, no disk: what comes is thrown away, then 452
  bool body_complete_ = false;  // body_end has come, the spill file has not
  std::shared_ptr<pipeline::ChainRun> chain_run_;
  std::shared_ptr<const message::Envelope> envelope_;  // of the message under way, for the log
  Reservation envelope_memory_;                        // of the recipients
  uint64_t message_size_ = 0;
  uint64_t mail_at_ms_ = 0;
  uint64_t body_end_ms_ = 0;

  Deadlines::Entry idle_deadline_;
  Deadlines::Entry session_deadline_;
  Deadlines::Entry rate_deadline_;
  uint64_t octets_at_rate_check_ = 0;
  uint32_t progress_at_arming_ = 0;
};

}  // namespace lsmtpd::server
