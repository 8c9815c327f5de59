// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that reads command lines and does what they ask for.
#include <array>
#include <charconv>

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

struct ChunkSize {
  uint64_t octets = 0;
  bool last = false;
};

bool parse_chunk_size(std::string_view argument, ChunkSize& size) {
  const char* end = argument.data() + argument.size();
  const auto [rest, error] = std::from_chars(argument.data(), end, size.octets);
  if (error != std::errc{}) return false;
  const std::string_view word(rest, static_cast<size_t>(end - rest));
  if (word.empty()) return true;
  size.last = is_blank(word.front()) && equals_ignoring_case(trim_left(word), "LAST");
  return size.last;
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
      if (reader_.bare_lf() && !settings_.normalize_bare_lf) {
        deny_and_close(replies::kBareLfInCommand);
      }
      break;
    case CommandReader::Found::line: {
      ++progress_;
      if (reader_.bare_lf() && !settings_.normalize_bare_lf) {
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

// What is wrong with a line in itself, and with its place; BDAT says so only after it took its
// octets.
const replies::Fixed* Session::fault_of(std::string_view line, const Command& command) const {
  const LineKind kind = kind_of(line);
  const bool known = command.verb != Verb::unknown;
  if (is_http_request(line)) return &replies::kNotSmtp;
  if (!spoken_ && !known && (kind.control || kind.eight_bit)) return &replies::kNotSmtp;
  if (kind.control) return &replies::kControlCharacter;
  if (kind.eight_bit && !may_have_eight_bit(command)) return &replies::kEightBit;
  if (trim_left(line).empty()) return &replies::kEmptyLine;
  if (!command.argument_fits) {
    return command.argument.empty() ? &replies::kArgumentMissing : &replies::kArgumentUnexpected;
  }
  return command.verb == Verb::bdat ? nullptr : refusal_of(command.verb, state_, settings_.lmtp);
}

// False: the client sent too many commands that carry no mail forward, and has been told so.
bool Session::count_idle() {
  if (++commands_ <= settings_.commands) return true;
  deny_and_close(replies::kTooManyCommands);
  return false;
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
  answer(settings_.lmtp ? replies::kLmtpHelp : replies::kHelp);
  return {};
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
  if (settings_.lmtp != (command.verb == Verb::lhlo)) {
    deny(settings_.lmtp ? replies::kWrongGreetingLmtp : replies::kWrongGreeting);
    return {};
  }
  if (command.argument.size() > kGreetingLimit) {
    deny(replies::kBadGreeting);
    return {};
  }
  greeting_ = command.verb;
  former_helo_ = std::move(envelope_.helo);
  envelope_.helo = command.argument;
  envelope_.protocol = settings_.lmtp ? "LMTP" : greeting_ == Verb::helo ? "SMTP" : "ESMTP";
  return wait(Waiting::helo, Action::phase_helo);
}

void Session::greeted() {
  std::string().swap(former_helo_);
  helo_refusal_.reset();
  greeted_ = true;
  extended_ = greeting_ != Verb::helo;
  reset_transaction();
  state_ = after(Event::greeted, state_);
  replies_.write_greeting(
      {settings_.hostname, extended_, content_.size_limit(), settings_.recipients});
}

Session::Step Session::data(const Command&) {
  if (mail_.binary) {
    deny(replies::kBinaryNeedsBdat);
    return {};
  }
  chunk_ = false;
  return wait(Waiting::body_start, Action::body_start);
}

Session::Step Session::bdat(const Command& command) {
  ChunkSize size;
  if (!parse_chunk_size(command.argument, size)) {
    deny_and_close(replies::kBadChunkSize);
    return {};
  }
  const replies::Fixed* fault = refusal_of(Verb::bdat, state_, settings_.lmtp);
  // A pipelining client cannot know yet that an earlier chunk failed: those behind it are no errors
  // of its own.
  const bool error = fault != nullptr && state_ != State::failed;
  const bool idle = state_ == State::failed || (size.octets == 0 && !size.last);
  if ((error && count_error()) || (idle && !count_idle())) return {};
  content_.begin_chunk(size.octets, size.last);
  chunk_ = true;
  mode_ = Mode::content;
  if (fault == nullptr && content_.condemned()) return {};  // it waits for LAST
  const uint64_t octets = content_.octets();
  if (fault == nullptr &&
      (content_.too_large(size.octets) || content_.too_large(octets + size.octets))) {
    fault = &replies::kTooLarge;
  }
  if (fault != nullptr) {
    content_.condemn(*fault, ContentReceiver::Condemned::at_once);
    if (fault == &replies::kChunkFailed && !failed_chunk_.empty()) {
      content_.refuse(replies::chunk_failed_with(failed_chunk_));
    }
    discard();
    return {};
  }
  if (state_ == State::rcpt) return wait(Waiting::body_start, Action::body_start);
  return {};
}

}  // namespace lsmtpd::smtp
