// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that reads command lines and does what they ask for.
#include <array>

#include "base/invariant.hpp"
#include "base/text.hpp"
#include "smtp/blanks.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::smtp {
namespace {

constexpr size_t kGreetingLimit = 255;  // RFC 5321 4.5.3.1.2

// No SMTP command begins with one of these; TLS does, with 0x16.
bool is_unprintable(char c) {
  return (c < ' ' && c != '\r' && c != '\n' && c != '\t') ||
         c == 0x7f;  // below ' ': beyond ASCII too
}

// VRFY alone takes SMTPUTF8 without a transaction (RFC 6531 3.7.4.2).
bool has_smtputf8(std::string_view argument) {
  const size_t blank = argument.find_last_of(" \t");
  return blank != std::string_view::npos &&
         equals_ignoring_case(argument.substr(blank + 1), "SMTPUTF8") && is_utf8(argument);
}

bool may_have_eight_bit(const Command& command) {
  return command.verb == Verb::mail || command.verb == Verb::rcpt ||
         (command.verb == Verb::vrfy && has_smtputf8(command.argument));
}

}  // namespace

// The commands, by Verb: who runs each where the table of states lets it run, and whether it
// carries no mail forward, so that a client may not send it for ever.
struct Session::Rule {
  Step (Session::*run)(const Command& command);
  bool idle;
};

const Session::Rule& Session::rule_of(Verb verb) {
  static constexpr std::array<Rule, kVerbCount> kRules{{
      {&Session::mail, false},
      {&Session::rcpt, false},
      {&Session::data, false},
      {&Session::bdat, false},
      {&Session::rset, true},
      {&Session::quit, false},
      {&Session::noop, true},
      {&Session::greet, true},  // HELO
      {&Session::greet, true},  // EHLO
      {&Session::greet, true},  // LHLO
      {&Session::vrfy, true},
      {&Session::help, true},
      {&Session::xclient, true},
      {&Session::starttls, true},
      {&Session::auth, true},
      {&Session::never, true},  // known, not implemented
      {&Session::never, true},  // unknown
  }};
  return kRules[static_cast<unsigned>(verb)];
}

Session::Step Session::read_command(std::string_view& input) {
  if (!spoken_ && !reader_.within_line() && !input.empty() && is_unprintable(input.front())) {
    deny_and_close(replies::kNotSmtp);
    return {};
  }
  switch (reader_.read(input)) {
    case CommandReader::Found::nothing:
      return Action::need_input;
    case CommandReader::Found::too_long:
      begin_skipping();
      break;
    case CommandReader::Found::skipped:  // the line has its reply already
      ++progress_;
      if (reader_.bare_lf() && !settings_->normalize_bare_lf) {
        deny_and_close(replies::kBareLfInCommand);
      }
      break;
    case CommandReader::Found::line: {
      ++progress_;
      if (reader_.bare_lf() && !settings_->normalize_bare_lf) {
        deny_and_close(replies::kBareLfInCommand);
        break;
      }
      const Step done = execute(reader_.line());
      reader_.release();
      return done;
    }
  }
  return {};
}

void Session::begin_skipping() {
  const bool bdat = parse_command(reader_.line()).verb == Verb::bdat;
  if (dialogue_) dialogue_->hidden("(a line that is too long)", replies_.text());
  reader_.release();
  if (bdat) {  // as in execute()
    deny_and_close(replies::kLineTooLong);
  } else {
    deny(replies::kLineTooLong);
  }
}

Session::Step Session::execute(std::string_view line) {
  const Command command = parse_command(line);
  struct During {  // what is refused meanwhile is this command
    During(const Command*& at, const Command& command) : at_(at) { at_ = &command; }
    ~During() { at_ = nullptr; }
    const Command*& at_;
  } during(command_, command);
  if (command.verb == Verb::auth || command.verb == Verb::unknown) secret_seen_ = true;
  if (dialogue_) dialogue_->command(command, line, replies_.text());
  const Rule& rule = rule_of(command.verb);
  if (rule.idle && !count_idle()) return {};
  const bool known = command.verb != Verb::unknown;
  if (const replies::Fixed* fault = fault_of(line, command)) {
    // After a BDAT that cannot be understood octets of a message follow, no one knows how many.
    if (fault == &replies::kNotSmtp || command.verb == Verb::bdat) {
      deny_and_close(*fault);
    } else if (fault == &replies::kChunkFailed && !failed_chunk_.empty()) {
      if (count_error()) return {};
      replies_.write(replies::chunk_failed_with(failed_chunk_));
      tell_refusal(*fault, false);
    } else {
      deny(*fault);
    }
    spoken_ = spoken_ || known;
    return {};
  }
  spoken_ = true;
  return (this->*rule.run)(command);
}

// Returns the fault of a line in itself or at its place; null if there is none. BDAT reports it
// only after it took its octets.
const replies::Fixed* Session::fault_of(std::string_view line, const Command& command) const {
  const LineKind kind = kind_of(line);
  const bool known = command.verb != Verb::unknown;
  if (!known && is_http_request(line)) return &replies::kNotSmtp;
  if (!spoken_ && !known && (kind.control || kind.eight_bit)) return &replies::kNotSmtp;
  if (kind.control) return &replies::kControlCharacter;
  if (kind.eight_bit && !may_have_eight_bit(command)) return &replies::kEightBit;
  if (!known && trim_left(line).empty()) return &replies::kEmptyLine;
  if (command.verb == Verb::xclient && !xclient_allowed_) return &replies::kXclientRefused;
  if (!command.argument_fits) {
    return command.argument.empty() ? &replies::kArgumentMissing : &replies::kArgumentUnexpected;
  }
  if (command.verb == Verb::bdat) return nullptr;
  if (must_start_tls(command.verb)) return &replies::kTlsRequired;
  if (must_authenticate(command.verb)) return &replies::kAuthRequired;
  if (command.verb == Verb::starttls) {
    if (envelope_->tls) return &replies::kTlsActive;
    if (!settings_->starttls) return &replies::kNotImplemented;
    if (!command.argument.empty()) return &replies::kArgumentUnexpected;
  }
  if (command.verb == Verb::auth) {
    if (const replies::Fixed* fault = auth_fault(command.argument)) return fault;
  }
  return refusal_of(command.verb, state_, settings_->lmtp);
}

// RFC 3207 4: what a client may say before TLS where it is required. A line that is no command is
// refused as such.
bool Session::must_start_tls(Verb verb) const {
  if (!settings_->require_tls || envelope_->tls) return false;
  return verb != Verb::noop && verb != Verb::ehlo && verb != Verb::lhlo && verb != Verb::starttls &&
         verb != Verb::rset && verb != Verb::quit && verb != Verb::help && verb != Verb::unknown;
}

Session::Step Session::rset(const Command&) {
  reset_transaction();
  answer(replies::kOk);
  return {};
}

Session::Step Session::noop(const Command&) {
  answer(replies::kOk);
  return {};
}

Session::Step Session::vrfy(const Command&) {
  answer(replies::kCannotVerify);
  return {};
}

Session::Step Session::help(const Command&) {
  answer(settings_->lmtp ? replies::kLmtpHelp : replies::kHelp);
  return {};
}

Session::Step Session::starttls(const Command&) {
  return wait(Waiting::tls, Action::start_tls);
}

Session::Step Session::quit(const Command&) {
  answer(replies::kBye);
  mode_ = Mode::closing;
  return {};
}

Session::Step Session::never(const Command&) {
  if (!LSMTPD_INVARIANT(false && "the table of states refuses it")) {
    shut_down(make(replies::kInternalError));
  }
  return {};
}

Session::Step Session::greet(const Command& command) {
  if (settings_->lmtp != (command.verb == Verb::lhlo)) {
    deny(settings_->lmtp ? replies::kWrongGreetingLmtp : replies::kWrongGreeting);
    return {};
  }
  if (command.argument.size() > kGreetingLimit) {
    deny(replies::kBadGreeting);
    return {};
  }
  greeting_ = command.verb;
  former_helo_ = std::move(envelope_.change().helo);
  envelope_.change().helo = command.argument;
  envelope_.change().protocol = protocol(greeting_ != Verb::helo, false);
  return wait(Waiting::helo, Action::phase_helo);
}

void Session::greeted() {
  std::string().swap(former_helo_);
  helo_refusal_.reset();
  greeted_ = true;
  extended_ = greeting_ != Verb::helo;
  reset_transaction();
  state_ = after(Event::greeted, state_);
  const std::string mechanisms = offered_mechanisms();
  replies_.write_greeting({settings_->hostname, extended_, settings_->starttls && !envelope_->tls,
                           content_.size_limit(), settings_->recipients, xclient_allowed_,
                           mechanisms});
}

}  // namespace lsmtpd::smtp
