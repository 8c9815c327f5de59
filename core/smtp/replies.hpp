// SPDX-License-Identifier: Apache-2.0
// Every reply that a client can get, in one place, and the one class that writes them: those of the
// session, and those of the connection, the worker and the chain around it. Plugins bring texts of
// their own; to_reply() in pipeline/outcome.hpp takes the code and text from here where they do
// not.
//
// The text after the codes is also the reason in the log, unless there is more to say there.
// Codes: RFC 5321 4.2, RFC 3463, and the registry that RFC 5248 began.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/reply.hpp"

namespace lsmtpd::smtp {

namespace replies {

struct Fixed {
  std::string_view line;         // without CRLF
  std::string_view reason = {};  // for the log; empty: the text of the line
};
std::string_view reason_of(const Fixed& reply);
uint32_t code_of(const Fixed& reply);
std::string_view enhanced_of(const Fixed& reply);  // empty: it has none
// The same as a value.
Reply make(const Fixed& reply);

// Success.
inline constexpr Fixed kOk{"250 2.0.0 Ok"};
inline constexpr Fixed kSenderOk{"250 2.1.0 Ok"};
inline constexpr Fixed kRecipientOk{"250 2.1.5 Ok"};
inline constexpr Fixed kBye{"221 2.0.0 Bye"};
inline constexpr Fixed kGoAhead{"354 End data with <CR><LF>.<CR><LF>"};
inline constexpr Fixed kCannotVerify{"252 2.5.2 Cannot VRFY user, but will accept mail for it"};
inline constexpr Fixed kHelp{
    "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET VRFY NOOP HELP QUIT: see RFC 5321"};
inline constexpr Fixed kLmtpHelp{
    "214 2.0.0 LHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET VRFY NOOP HELP QUIT: see RFC 2033"};

// Lines.
inline constexpr Fixed kLineTooLong{"500 5.5.2 Command line too long"};
inline constexpr Fixed kEmptyLine{"500 5.5.2 Empty command"};
inline constexpr Fixed kUnknownCommand{"500 5.5.1 Command unrecognized"};
inline constexpr Fixed kNotImplemented{"502 5.5.1 Command not implemented"};
inline constexpr Fixed kControlCharacter{"501 5.5.2 Control character in command"};
inline constexpr Fixed kEightBit{"501 5.5.2 Command has octets beyond ASCII"};
inline constexpr Fixed kNotSmtp{"554 5.5.0 This port speaks SMTP",
                                "not SMTP: HTTP, TLS or random octets"};
inline constexpr Fixed kEarlyTalker{"554 5.5.0 Client talked before the banner"};
inline constexpr Fixed kBareLfInCommand{
    "500 5.5.2 Bare <LF> in command: lines end in <CR><LF>",
    "bare LF in command (bare_lf = \"normalize\" on the listener accepts it)"};
inline constexpr Fixed kArgumentMissing{"501 5.5.4 Argument missing"};
inline constexpr Fixed kArgumentUnexpected{"501 5.5.4 Command takes no argument"};
inline constexpr Fixed kBadGreeting{"501 5.5.4 Greeting too long"};

// Limits on a session.
inline constexpr Fixed kTooManyErrors{"421 4.7.0 Too many errors, closing connection"};
inline constexpr Fixed kTooManyCommands{
    "421 4.7.0 Too many commands without mail, closing connection"};

// Order of commands.
inline constexpr Fixed kWrongGreeting{"500 5.5.1 Use EHLO or HELO: this is SMTP"};
inline constexpr Fixed kWrongGreetingLmtp{"500 5.5.1 Use LHLO: this is LMTP"};
inline constexpr Fixed kNestedMail{"503 5.5.1 Nested MAIL: transaction already under way"};
inline constexpr Fixed kNeedMail{"503 5.5.1 Send MAIL first"};
inline constexpr Fixed kNeedRcpt{"503 5.5.1 Send RCPT first"};
inline constexpr Fixed kNoValidRecipients{"554 5.5.1 No valid recipients"};
inline constexpr Fixed kNoValidRecipientsLmtp{"503 5.5.1 No valid recipients"};
inline constexpr Fixed kChunking{"503 5.5.1 BDAT under way: send BDAT or RSET"};
inline constexpr Fixed kChunkFailed{"503 5.5.1 An earlier BDAT failed: send RSET"};
// The same, with the reply that the chunk got.
Reply chunk_failed_with(std::string_view first_reply);
inline constexpr Fixed kBinaryNeedsBdat{"503 5.5.1 BODY=BINARYMIME needs BDAT"};

// AUTH (RFC 4954 4 and 6).
inline constexpr Fixed kAuthOk{"235 2.7.0 Authentication successful"};
inline constexpr Fixed kAuthFailed{"535 5.7.8 Authentication credentials invalid"};
inline constexpr Fixed kAuthTempfail{"454 4.7.0 Temporary authentication failure"};
inline constexpr Fixed kAuthMalformed{"501 5.5.2 Cannot decode the response"};
inline constexpr Fixed kAuthCancelled{"501 5.7.0 Authentication cancelled"};
inline constexpr Fixed kAuthTooLong{"500 5.5.6 Authentication exchange line is too long"};
inline constexpr Fixed kAuthUnknown{"504 5.5.4 Unrecognized authentication type"};
inline constexpr Fixed kAuthNeedsTls{
    "538 5.7.11 Encryption required for requested authentication mechanism"};
inline constexpr Fixed kAuthActive{"503 5.5.1 Already authenticated"};
inline constexpr Fixed kAuthNeedsEhlo{"503 5.5.1 Send EHLO first"};
inline constexpr Fixed kAuthNested{"503 5.5.1 AUTH inside a transaction: send RSET first"};
inline constexpr Fixed kAuthRequired{"530 5.7.0 Authentication required"};
inline constexpr Fixed kTooManyGuesses{
    "421 4.7.0 Too many failed authentications, closing connection"};

// XCLIENT.
inline constexpr Fixed kXclientRefused{"550 5.7.0 Not authorized to use XCLIENT",
                                       "the peer is not in xclient_from"};
inline constexpr Fixed kBadXclient{"501 5.5.4 Bad XCLIENT attribute"};
// TLS (RFC 3207 4).
inline constexpr Fixed kReadyForTls{"220 2.0.0 Ready to start TLS"};
inline constexpr Fixed kNoTlsNow{"454 4.7.0 TLS not available, try again later",
                                 "limits.tls_memory is used up"};
inline constexpr Fixed kTlsActive{"503 5.5.1 TLS is active already"};
inline constexpr Fixed kTlsNested{"503 5.5.1 STARTTLS inside a transaction: send RSET first"};
inline constexpr Fixed kTlsRequired{"530 5.7.0 Must issue a STARTTLS command first"};

// MAIL and RCPT.
inline constexpr Fixed kMailSyntax{"501 5.5.4 Syntax: MAIL FROM:<address>"};
inline constexpr Fixed kRcptSyntax{"501 5.5.4 Syntax: RCPT TO:<address>"};
inline constexpr Fixed kBadSender{"501 5.1.7 Bad sender address syntax"};
inline constexpr Fixed kBadRecipient{"501 5.1.3 Bad recipient address syntax"};
inline constexpr Fixed kSenderNotUtf8{"501 5.1.7 Sender address is not UTF-8"};
inline constexpr Fixed kRecipientNotUtf8{"501 5.1.3 Recipient address is not UTF-8"};
inline constexpr Fixed kSenderTooLong{"501 5.1.7 Sender address too long"};
inline constexpr Fixed kRecipientTooLong{"501 5.1.3 Recipient address too long"};
inline constexpr Fixed kNeedsSmtputf8{"553 5.6.7 Address needs SMTPUTF8"};
inline constexpr Fixed kBadParameter{"501 5.5.4 Bad parameter"};
inline constexpr Fixed kUnknownParameter{"555 5.5.4 Unsupported parameter"};
inline constexpr Fixed kTooManyRecipients{"452 4.5.3 Too many recipients"};
inline constexpr Fixed kUnknownRecipient{"550 5.1.1 Recipient unknown",
                                         "no route has this recipient (unmatched = \"reject\")"};
inline constexpr Fixed kOtherRoute{"452 4.5.3 Send this recipient in a transaction of its own",
                                   "it takes another route (route_mix = \"defer\")"};
// Beyond limits.errors while recipients are held, so that these get their message.
inline constexpr Fixed kTooManyRefused{"452 4.5.3 Too many recipients were refused"};

// Content.
inline constexpr Fixed kBadChunkSize{"501 5.5.4 Syntax: BDAT size [LAST]"};
// Sent by session_envelope.cpp (SIZE at MAIL), session_content.cpp (the size of a BDAT chunk) and
// content_receiver.cpp (the octets received); for a route's own limit by connection_routes.cpp
// (SIZE, at RCPT) and pipeline/route_run.cpp (the octets received). Plugins have a text of their
// own: filter_size, sink/copy_outcome.cpp, output_amqp/disposition.cpp.
inline constexpr Fixed kTooLarge{"552 5.3.4 Message too large"};
inline constexpr Fixed kLoop{"554 5.4.6 Too many Received fields: mail loop"};
// 5.6.0: no code for this one is registered; 5.6.11, seen elsewhere, belongs to one vendor.
inline constexpr Fixed kBareLf{
    "554 5.6.0 Bare <LF> in message: lines end in <CR><LF>",
    "bare LF in data (bare_lf = \"normalize\" on the listener accepts it)"};
inline constexpr Fixed kBareCr{"554 5.6.0 Bare <CR> in message: lines end in <CR><LF>",
                               "bare CR in data"};
inline constexpr Fixed kNulDot{"554 5.6.0 Line of one dot and NUL in message"};

// The connection ends for a reason of ours.
inline constexpr Fixed kTooManyConnections{"421 4.3.2 Too many connections, try again later",
                                           "limits.connections"};
inline constexpr Fixed kTooManyFromPeer{
    "421 4.3.2 Too many connections from your address, try again later",
    "limits.connections_per_peer"};
inline constexpr Fixed kOutOfMemory{"421 4.3.2 Out of memory, try again later",
                                    "limits.memory is used up"};
inline constexpr Fixed kCommandTimeout{"421 4.4.2 Timeout while waiting for a command",
                                       "timeouts.command passed"};
inline constexpr Fixed kDataTimeout{"421 4.4.2 Timeout while reading data",
                                    "timeouts.data_idle passed"};
inline constexpr Fixed kDataTooSlow{"421 4.4.2 Data comes too slowly",
                                    "slower than limits.data_rate"};
inline constexpr Fixed kSessionTooLong{"421 4.4.2 Session took too long",
                                       "timeouts.session passed"};
inline constexpr Fixed kInternalError{"421 4.3.0 Internal error, try again later",
                                      "an invariant is broken: see the line before"};
Reply shutting_down(std::string_view hostname);
Reply configuration_changed(std::string_view hostname);

// The message or a recipient finds no room, or the chain does not take it.
inline constexpr Fixed kNoRoomForRecipient{"452 4.3.1 Out of memory, try again later",
                                           "limits.memory is used up"};
inline constexpr Fixed kNoRoomForBody{"452 4.3.1 Insufficient system storage, try again later",
                                      "no room for the body, in memory or on disk"};
inline constexpr Fixed kNotReady{"452 4.3.1 Message cannot be stored now, try again later"};
inline constexpr Fixed kMessageRefused{"554 5.7.1 Message refused"};
inline constexpr Fixed kRecipientRefused{"550 5.7.1 Message refused"};
inline constexpr Fixed kFilterTempfail{"451 4.7.1 Try again later"};
// Routes of one message that came to different ends.
inline constexpr Fixed kSomeTempfailed{
    "451 4.3.0 Message is not stored for all recipients, try again later"};
inline constexpr Fixed kSomeRefused{"554 5.3.0 Message refused for some recipients"};
inline constexpr Fixed kOutputTempfail{"451 4.3.0 Message cannot be stored now, try again later"};
Reply queued(std::string_view id);

}  // namespace replies

// The keywords that EHLO announces; without `extended`, and for HELO, only the name.
struct Announcement {
  std::string_view hostname;
  bool extended = false;
  bool starttls = false;
  uint64_t message_size = 0;
  uint32_t recipients = 0;
  bool xclient = false;
  std::string_view mechanisms = {};  // of AUTH, each with a blank before it; empty: not offered
};

// Collects replies in the order in which they are given. Writes any reply as lines of printable
// ASCII of at most 512 octets (RFC 5321 4.5.3.1.5): no text of a plugin or a broker can break out
// of its line.
class ReplyWriter {
 public:
  void write(const replies::Fixed& reply, uint32_t times = 1);
  void write(const Reply& reply, uint32_t times = 1);
  void write_challenge(std::string_view base64);
  void write_banner(std::string_view hostname, bool lmtp);
  void write_greeting(const Announcement& announcement);

  // All of them, with CRLF; the caller clears it once it is sent.
  std::string& text() { return text_; }
  const std::string& text() const { return text_; }

 private:
  void write_line(const Reply& reply, std::string_view text, bool last);

  std::string text_;
};

}  // namespace lsmtpd::smtp
