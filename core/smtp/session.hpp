// SPDX-License-Identifier: Apache-2.0
// The SMTP (RFC 5321) and LMTP (RFC 2033) server session of one client. PURE: bytes in, actions
// out; no sockets, no clock, no log, no plugins. server::Connection owns one and does what it asks
// for.
//
// How it is driven
//     std::string_view input = bytes just read;
//     for (;;) switch (session.next(input)) {          // consumes from the front of `input`
//       case Action::need_input:  write replies(), clear it, read more; return;
//       case Action::phase_mail:  decide, now or later, then proceed() or refuse(reply); ...
//       case Action::refused:     log refusal(); go on, nothing to answer
//       case Action::body:        keep session.body(); ...
//       case Action::body_end:    hand the message on, then finish(reply); ...
//       case Action::close:       write replies(), then close; return;
//     }
// After a phase_*, body_start or body_end the session waits: next() must not be called again before
// it was answered with exactly one of proceed(), refuse() or finish(); after authenticate, with
// authenticated() or auth_failed(). `input` that is left stays
// with the caller meanwhile. Replies collect in replies() in the order of the commands, so that a
// pipelined batch leaves in one write.
//
// Promises: only CRLF.CRLF ends a message (P5); body() concatenated is what was sent, dots
// unstuffed (P2); memory is bounded by one command line, the envelope (limited recipients) and the
// replies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message/envelope.hpp"
#include "message/shared_envelope.hpp"
#include "smtp/addresses.hpp"
#include "smtp/command_reader.hpp"
#include "smtp/commands.hpp"
#include "smtp/content_receiver.hpp"
#include "smtp/parameters.hpp"
#include "smtp/phase_names.hpp"
#include "smtp/replies.hpp"
#include "smtp/sasl.hpp"
#include "smtp/states.hpp"

namespace lsmtpd::smtp {

// No member has a default: app sets all of them from the configuration.
struct Settings {
  std::string hostname;  // in the banner and the EHLO reply
  bool lmtp;
  bool normalize_bare_lf;  // accept LF for CRLF and normalise it; it never ends a message
  uint32_t recipients;     // then 452 4.5.3
  // Since the last message that was accepted; then 421 4.7.0 and close:
  uint32_t commands;          // commands that carry no mail forward
  uint32_t errors;            // 5xx replies to commands
  uint32_t received_headers;  // then 554 5.4.6 (loop)
  bool starttls;              // offered, where TLS is not active yet
  bool require_tls;           // most commands get 530 5.7.0 before it is
  bool traceparent;           // that header field is kept
};

// Hears what a client says, for an operator's trace. `replies` are Session::replies() before it.
class Dialogue {
 public:
  virtual ~Dialogue() = default;
  virtual void command(const Command& command, std::string_view line, std::string_view replies) = 0;
  // Something that is not to be shown: `what` says what it was.
  virtual void hidden(std::string_view what, std::string_view replies) = 0;
};

enum class Action : uint8_t {
  need_input,     // all input is used up
  phase_connect,  // first action of all, before the banner; again after new_client
  phase_helo,     // envelope().helo is the argument
  phase_mail,     // envelope() has the reverse-path; declared_size() what SIZE= said
  phase_rcpt,     // envelope().recipients.back() is the new one; refuse() takes it out again
  body_start,     // DATA or the first BDAT: get ready to store, then proceed() (354) or refuse()
  body,           // body() is the next piece of the message; valid until the next call of next()
  body_discard,  // forget what came of the body: the transaction was reset, refused or is too large
  body_end,      // the message is complete: take_envelope(), then finish()
  authenticate,  // AUTH: credentials(); answer with authenticated() or auth_failed()
  phase_auth,    // envelope().auth is the user; refuse() takes it back
  new_client,    // XCLIENT: envelope() has another client, who begins anew; nothing to answer
  start_tls,     // STARTTLS: proceed() (220), then begin_tls(); or refuse()
  refused,       // the session itself refused something, and has replied: refusal() for the log
  close,         // write replies(), then close the connection
};

class Session {
 public:
  // `settings` must outlive the session.
  explicit Session(const Settings& settings);

  // Where the session belongs: goes into every envelope. Once, before the first next().
  void set_origin(std::string listener, std::string peer_address, uint16_t peer_port);

  // The same, of the connection: the number that session filters know it by, and our side of it.
  void set_connection(uint64_t session, std::string local_address, uint16_t local_port);

  // The trusted proxy in front, and the TLS session that it ended (null: none).
  void set_proxy(std::string address, std::shared_ptr<const message::Tls> tls);

  // The peer is trusted to name other clients with XCLIENT.
  void allow_xclient() { xclient_allowed_ = true; }
  // The mechanisms that the caller can check (Mechanism, or-ed), offered inside TLS only. Before
  // the first next().
  void offer_auth(uint32_t mechanisms, bool required);
  // Answers authenticate, with the user's name, or with a reply (421 closes).
  void authenticated(std::string user);
  void auth_failed(const Reply& reply);
  Credentials& credentials() { return sasl_->credentials(); }
  // True once after each line that may have a password in it: the caller clears its input.
  bool take_secret_seen() { return std::exchange(secret_seen_, false); }
  // While phase_connect is due: the number that session filters know the new client by.
  void set_session_number(uint64_t session) { envelope_.change().session = session; }

  // Null: nobody hears the dialogue. It outlives the session, or is taken back.
  void set_dialogue(Dialogue* dialogue) { dialogue_ = dialogue; }

  // The first call gives phase_connect whatever `input` holds; give it none.
  Action next(std::string_view& input);

  // Answers to a phase_* or body_start: go on, or this reply (4xx or 5xx; 421 closes).
  void proceed();
  void refuse(const Reply& reply);
  // Answers body_end; in LMTP repeated for each recipient (RFC 2033 4.2).
  // `recipients`: in LMTP each one's own, in the order of RCPT; empty: all get `reply`.
  void finish(const Reply& reply, const std::vector<Reply>& recipients = {});
  // TLS is active: before the first next() where the connection began with it; or after the
  // handshake that followed start_tls. Then nothing that the client said before is used any more
  // (RFC 3207 4.2).
  void begin_tls(std::shared_ptr<const message::Tls> tls);
  // While answering phase_connect, instead of proceed(): the client talked before the banner.
  // 554 5.5.0, then close.
  void early_talker();
  // While answering phase_mail, before proceed(): what the message will be known by.
  void begin_transaction(std::string id, int64_t time_ns);
  // The caller's own reason to end the session (deadline, shutdown): appends `reply` (421), forgets
  // the transaction and half a command, then next() gives close. An answer that is still owed need
  // not be given; one that comes is ignored.
  void shut_down(const Reply& reply);

  // Other settings from the next command on, outside a transaction. They outlive the session.
  void set_settings(const Settings& settings) { settings_ = &settings; }

  // The smallest size limit in force, in octets of content after unstuffing; 0 = none. Set it while
  // answering phase_helo and phase_mail: EHLO announces it, MAIL SIZE= and the data are held
  // against it (552 5.3.4).
  void set_size_limit(uint64_t octets);

  std::string& replies() { return replies_.text(); }
  std::string_view body() const { return body_; }
  const message::Envelope& envelope() const { return *envelope_; }
  // As it is now, for one who may need it for longer.
  std::shared_ptr<const message::Envelope> share_envelope() const { return envelope_.share(); }
  message::Envelope take_envelope();
  // SIZE= of MAIL, 0 where there was none (RFC 1870)
  uint64_t declared_size() const { return mail_.size; }

  // For the caller's deadlines, limits and log.
  // Grows with each command line and each end of content: octets in between are no progress.
  uint32_t progress() const { return progress_; }
  // Octets that are kept for a client that is in the middle of things: half a command line, and the
  // envelope but for its recipients.
  uint64_t held() const {
    return reader_.held() + envelope_->helo.capacity() + envelope_->reverse_path.capacity() +
           envelope_->parameters.capacity();
  }
  bool in_data() const;         // octets of a message are expected: the data_idle deadline applies
  bool in_message() const;      // the same, or between chunks of one
  bool in_transaction() const;  // between an accepted MAIL and its end: drain lets it finish
  bool within_command() const;  // half a command line has come
  bool closing() const;         // the last reply is given: next() says close
  // Octets of content so far, the discarded ones too.
  uint64_t message_octets() const { return content_.octets(); }
  // The session's own refusal, and its reason; valid at Action::refused, as envelope() is then.
  struct Refusal {
    std::string_view why;            // "bare CR in data"
    uint32_t code = 0;               // of the reply
    std::string_view enhanced = {};  // of the reply; may be empty
    bool of_message = false;         // at the end of its content; else a command
    bool too_large = false;          // for the size limit in force
    std::string_view verb = {};      // "MAIL"; empty where the line was no command
    std::string argument = {};       // its beginning, as sent; never of AUTH
  };
  const Refusal& refusal() const { return refusal_; }
  // The Message-ID field of the message, as sent, until it is finished; empty: none.
  std::string_view message_id() const { return content_.message_id(); }
  // The same of its traceparent field, where Settings::traceparent is set.
  std::string_view traceparent() const { return content_.traceparent(); }

 private:
  using Step = std::optional<Action>;  // none: go on with the next step
  enum class Mode : uint8_t { opening, commands, sasl, content, handshake, closing };
  enum class Waiting : uint8_t {
    nothing,
    connect,
    helo,
    credentials,
    auth,
    mail,
    rcpt,
    body_start,
    body_end,
    tls
  };
  struct Rule;

  // session.cpp: the order of things.
  Step step(std::string_view& input);
  Action wait(Waiting waiting, Action action);
  void open();
  void reset_transaction();
  void answer(const replies::Fixed& reply);

  // session_refusals.cpp: what is refused, and how often.
  void refuse_body(const Reply& reply);
  void deny(const replies::Fixed& reply);
  void deny_and_close(const replies::Fixed& reply, uint32_t times = 1);
  void tell_refusal(const replies::Fixed& reply, bool of_message);
  void tell_refusal(std::string_view why, uint32_t code, std::string_view enhanced,
                    bool of_message);
  bool count_error();
  bool count_idle();

  // session_commands.cpp: lines and what they ask for.
  Step read_command(std::string_view& input);
  void begin_skipping();
  Step execute(std::string_view line);
  const replies::Fixed* fault_of(std::string_view line, const Command& command) const;
  bool must_start_tls(Verb verb) const;
  static const Rule& rule_of(Verb verb);
  Step greet(const Command& command);
  void greeted();
  Step rset(const Command& command);
  Step noop(const Command& command);
  Step vrfy(const Command& command);
  Step help(const Command& command);
  Step starttls(const Command& command);
  Step quit(const Command& command);
  Step never(const Command& command);

  // session_envelope.cpp: MAIL and RCPT.
  Step mail(const Command& command);
  const replies::Fixed* mail_fault(std::string_view argument, Path& path,
                                   MailParameters& parameters) const;
  void mail_accepted();
  std::string_view protocol(bool extended, bool utf8) const;
  std::string_view protocol() const { return protocol(extended_, mail_.smtputf8); }
  Step rcpt(const Command& command);
  const replies::Fixed* rcpt_fault(std::string_view argument, Path& path) const;

  // session_auth.cpp: AUTH.
  bool offers(Mechanism mechanism) const;
  std::string offered_mechanisms() const;
  bool must_authenticate(Verb verb) const;
  const replies::Fixed* auth_fault(std::string_view argument) const;
  Step auth(const Command& command);
  Step read_response(std::string_view& input);
  Step after_response(Sasl::Step step);
  void end_exchange(const replies::Fixed& reply);
  void forget_auth();

  // session_xclient.cpp: XCLIENT.
  Step xclient(const Command& command);

  // session_content.cpp: DATA and BDAT.
  Step data(const Command& command);
  Step bdat(const Command& command);
  void start_body();
  Step take_content(std::string_view& input);
  void discard();
  Step end_data();
  Step end_chunk();
  void end_refused();
  uint32_t recipients_to_answer() const;
  ContentReceiver::Rules content_rules() const;

  const Settings* settings_;
  Dialogue* dialogue_ = nullptr;
  ReplyWriter replies_;
  std::string_view body_;
  message::SharedEnvelope envelope_;
  std::string former_helo_;                    // kept until a new HELO is accepted
  std::unique_ptr<const Reply> helo_refusal_;  // what HELO got: MAIL gets it too, until one passes
  std::string failed_chunk_;                   // the reply to the BDAT that failed
  const Command* command_ = nullptr;           // while it is executed
  Refusal refusal_;
  CommandReader reader_;
  ContentReceiver content_;
  MailParameters mail_;
  std::unique_ptr<Sasl> sasl_;  // while a client authenticates
  uint32_t mechanisms_ = 0;
  uint32_t progress_ = 0;
  uint32_t accepted_ = 0;  // recipients: finish() needs their number when the envelope is gone
  uint32_t commands_ = 0;
  uint32_t errors_ = 0;
  Mode mode_ = Mode::opening;
  Waiting waiting_ = Waiting::nothing;
  State state_ = State::start;
  Verb greeting_ = Verb::helo;  // the last one, accepted or being checked
  bool chunk_ = false;          // the content is a chunk of BDAT
  bool xclient_allowed_ = false;
  bool auth_required_ = false;
  bool auth_phase_due_ = false;
  bool secret_seen_ = false;
  bool greeted_ = false;
  bool extended_ = false;  // EHLO or LHLO: ESMTP
  bool spoken_ = false;    // a known command was seen: what follows is from an SMTP client
  bool stored_ = false;    // the caller keeps content: it must hear of body_discard or body_end
  bool discard_due_ = false;
  bool refused_due_ = false;
  bool reset_due_ = false;  // once the refusal is told, with the envelope that it concerns
};

}  // namespace lsmtpd::smtp
