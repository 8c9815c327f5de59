// The SMTP (RFC 5321) and LMTP (RFC 2033) server session of one client. PURE: bytes in, actions out;
// no sockets, no clock, no log, no plugins. server::Connection owns one and does what it asks for.
//
// How it is driven
//     std::string_view input = bytes just read;
//     for (;;) switch (session.next(input)) {          // eats from the front of `input`
//       case Action::need_input:  write replies(), clear it, read more; return;
//       case Action::check_mail:  decide, now or later, then proceed() or refuse(reply); ...
//       case Action::refused:     log refusal(); go on, nothing to answer
//       case Action::body:        keep session.body(); ...
//       case Action::body_end:    hand the message on, then finish(reply); ...
//       case Action::close:       write replies(), then close; return;
//     }
// After a check_*, body_start or body_end the session waits: next() must not be called again before it was answered
// with exactly one of proceed(), refuse() or finish(). `input` that is left stays with the caller meanwhile.
// Replies collect in replies() in the order of the commands, so that a pipelined batch leaves in one write.
//
// Promises: only CRLF.CRLF ends a message (P5); body() concatenated is what was sent, dots unstuffed (P2);
// memory is bounded by one command line, the envelope (limited recipients) and the replies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/envelope.hpp"
#include "smtp/reply.hpp"

namespace lsmtpd::smtp {

struct Settings {
  std::string hostname;         // in the banner and the EHLO reply
  bool lmtp = false;
  bool normalize_bare_lf = false;  // accept LF for CRLF and normalise it; it never ends a message
  uint32_t recipients = 1000;   // then 452 4.5.3
  uint32_t commands = 1000;     // commands that carry no mail forward; then 421 4.7.0 and close
  uint32_t errors = 20;         // 5xx replies to commands; then 421 4.7.0 and close
  uint32_t received_headers = 100;  // then 554 5.4.6 (loop)
};

enum class Action : uint8_t {
  need_input,     // all input is used up
  check_connect,  // first action of all, before the banner
  check_helo,     // envelope().helo is the argument
  check_mail,     // envelope() has the reverse-path; declared_size() what SIZE= said
  check_rcpt,     // envelope().recipients.back() is the new one; refuse() takes it out again
  body_start,     // DATA or the first BDAT: get ready to store, then proceed() (354) or refuse()
  body,           // body() is the next piece of the message; valid until the next call of next()
  body_discard,   // forget what came of the body: the transaction was reset, refused or is too large
  body_end,       // the message is complete: take_envelope(), then finish()
  refused,        // the session itself refused a command or a message, the reply is written: refusal() for the log
  close,          // write replies(), then close the connection
};

class Session {
 public:
  // `settings` must outlive the session.
  explicit Session(const Settings& settings);

  // Where the session belongs: goes into every envelope. Once, before the first next().
  void set_origin(std::string listener, std::string peer_address, uint16_t peer_port);

  // The first call gives check_connect whatever `input` holds; give it none.
  Action next(std::string_view& input);

  void proceed();                  // answers a check_* or body_start: go on
  void refuse(const Reply& reply); // answers a check_* or body_start: this reply (4xx or 5xx; 421 closes)
  void finish(const Reply& reply); // answers body_end; in LMTP repeated for each recipient (RFC 2033 4.2)
  // While answering check_connect, instead of proceed(): the client talked before the banner. 554 5.5.0, then close.
  void early_talker();
  // While answering check_mail, before proceed(): what the message will be known by.
  void begin_transaction(std::string id, int64_t time_ns);
  // The caller's own reason to end the session (deadline, shutdown): appends `reply` (421), then next() gives close.
  void shut_down(const Reply& reply);

  // The smallest size limit in force, in octets of content after unstuffing; 0 = none. Set it while answering
  // check_helo and check_mail: EHLO announces it, MAIL SIZE= and the data are held against it (552 5.3.4).
  void set_size_limit(uint64_t octets);

  std::string& replies() { return replies_; }
  std::string_view body() const { return body_; }
  const message::Envelope& envelope() const { return envelope_; }
  message::Envelope take_envelope();
  uint64_t declared_size() const;  // SIZE= of MAIL, 0 where there was none (RFC 1870)

  // What the caller needs for its deadlines and its log.
  bool in_data() const;         // octets of a message are expected: the data_idle deadline applies
  bool in_transaction() const;  // between an accepted MAIL and its end: drain lets it finish
  uint64_t message_octets() const;  // octets of content so far
  // Why the last command or message was refused by the session itself, for the log ("bare LF in data"); empty when it was not.
  std::string_view refusal() const;

 private:
  std::string replies_;
  std::string_view body_;
  message::Envelope envelope_;
};

}  // namespace lsmtpd::smtp
