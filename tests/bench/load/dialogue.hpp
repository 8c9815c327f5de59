// SPDX-License-Identifier: Apache-2.0
// One SMTP connection as its client sees it, without the socket: replies in, pieces to send out.
//
// Order of calls: replied() for each reply until ready(); begin() once the measurement starts (a
// connection for one message begins by itself); hang_up() when idle(). The pieces are views into
// the Script, which outlives it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "options.hpp"
#include "tally.hpp"

namespace lsmtpd::bench {

// How many messages are still to be sent; shared by all connections.
class Work {
 public:
  virtual ~Work() = default;
  virtual bool take() = 0;
};

struct Piece {
  std::string_view text;
  bool ends_message;
};

class Dialogue {
 public:
  // For one message a connection, `began` is when it connects: its message is taken already.
  Dialogue(const Options& options, const Script& script, Work& work, Tally& tally,
           Clock::time_point began);

  // False when the reply was wrong or ends the connection.
  bool replied(std::string_view reply, Clock::time_point now);
  void begin(Clock::time_point now);
  void hang_up();

  bool ready() const { return ready_; }
  bool idle() const { return ready_ && in_flight_.empty(); }
  bool ended() const { return ended_; }
  const char* waits_for() const;
  // The extension that the server lacks for this style; then nothing can be measured.
  const std::string& missing() const { return missing_; }

  std::deque<Piece>& outgoing() { return outgoing_; }
  // The piece in front was sent whole.
  void sent(Clock::time_point now);

 private:
  enum class Step : std::uint8_t { banner, ehlo, mail, rcpt, data, content, quit };
  struct Message {
    Clock::time_point began, sent;
  };

  void say(std::string_view text, Step awaited, bool ends_message = false);
  void say_content();
  void begin_transaction(Clock::time_point began);
  void next(Clock::time_point now);
  void check_extensions(std::string_view reply);

  const Options& options_;
  const Script& script_;
  Work& work_;
  Tally& tally_;
  Clock::time_point connected_;
  std::deque<Step> awaited_{Step::banner};
  std::deque<Piece> outgoing_;
  std::deque<Message> in_flight_;
  std::size_t sent_ = 0;  // of in_flight_, from the front
  bool ready_ = false, ended_ = false;
  std::string missing_;
};

}  // namespace lsmtpd::bench
