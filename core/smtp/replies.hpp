// Every reply that the session gives on its own account, in one place. The text after the codes is
// also the reason in the log, unless there is more to say there. Codes: RFC 5321 4.2, RFC 3463, and
// the registry that RFC 5248 began.
#pragma once

#include <string_view>

namespace lsmtpd::smtp::replies {

struct Fixed {
  std::string_view line;         // without CRLF
  std::string_view reason = {};  // for the log; empty: the text of the line
};
std::string_view reason_of(const Fixed& reply);

// Success.
inline constexpr Fixed kOk{"250 2.0.0 Ok"};
inline constexpr Fixed kSenderOk{"250 2.1.0 Ok"};
inline constexpr Fixed kRecipientOk{"250 2.1.5 Ok"};
inline constexpr Fixed kBye{"221 2.0.0 Bye"};
inline constexpr Fixed kGoAhead{"354 End data with <CR><LF>.<CR><LF>"};
inline constexpr Fixed kCannotVerify{"252 2.5.2 Cannot VRFY user, but will accept mail for it"};
inline constexpr Fixed kHelp{
    "214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET VRFY NOOP HELP QUIT: see RFC 5321"};
inline constexpr Fixed kLmtpHelp{
    "214 2.0.0 LHLO MAIL RCPT DATA BDAT RSET VRFY NOOP HELP QUIT: see RFC 2033"};

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
inline constexpr Fixed kBinaryNeedsBdat{"503 5.5.1 BODY=BINARYMIME needs BDAT"};

// MAIL and RCPT.
inline constexpr Fixed kMailSyntax{"501 5.5.4 Syntax: MAIL FROM:<address>"};
inline constexpr Fixed kRcptSyntax{"501 5.5.4 Syntax: RCPT TO:<address>"};
inline constexpr Fixed kBadSender{"501 5.1.7 Bad sender address syntax"};
inline constexpr Fixed kBadRecipient{"501 5.1.3 Bad recipient address syntax"};
inline constexpr Fixed kSenderTooLong{"501 5.1.7 Sender address too long"};
inline constexpr Fixed kRecipientTooLong{"501 5.1.3 Recipient address too long"};
inline constexpr Fixed kNeedsSmtputf8{"553 5.6.7 Address needs SMTPUTF8"};
inline constexpr Fixed kBadParameter{"501 5.5.4 Bad parameter"};
inline constexpr Fixed kUnknownParameter{"555 5.5.4 Unsupported parameter"};
inline constexpr Fixed kTooManyRecipients{"452 4.5.3 Too many recipients"};

// Content.
inline constexpr Fixed kBadChunkSize{"501 5.5.4 Syntax: BDAT size [LAST]"};
inline constexpr Fixed kTooLarge{"552 5.3.4 Message too large"};
inline constexpr Fixed kLoop{"554 5.4.6 Too many Received fields: mail loop"};
// 5.6.0: no code for this one is registered; 5.6.11, seen elsewhere, belongs to one vendor.
inline constexpr Fixed kBareLf{
    "554 5.6.0 Bare <LF> in message: lines end in <CR><LF>",
    "bare LF in data (bare_lf = \"normalize\" on the listener accepts it)"};
inline constexpr Fixed kBareCr{"554 5.6.0 Bare <CR> in message: lines end in <CR><LF>",
                               "bare CR in data"};
inline constexpr Fixed kNulDot{"554 5.6.0 Line of one dot and NUL in message"};

}  // namespace lsmtpd::smtp::replies
