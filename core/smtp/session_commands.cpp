// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that reads command lines and does what they ask for.
#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "smtp/blanks.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::smtp {
namespace {

// RFC 5321 4.5.3.1.4 asks for 512 octets, CRLF included; the parameters of SIZE, SMTPUTF8, DSN and
// BODY add some 900. No client needs more than this, and no client gets more memory than this.
constexpr size_t line_limit = 2048;
constexpr size_t greeting_limit = 255;  // RFC 5321 4.5.3.1.2

// No SMTP command begins with one of these; TLS does, with 0x16.
bool is_unprintable(char c) {
  return (c < ' ' && c != '\r' && c != '\n' && c != '\t') ||
         c == 0x7f;  // below ' ': beyond ASCII too
}

bool is_idle(Verb verb) {
  return verb != Verb::mail && verb != Verb::rcpt && verb != Verb::data && verb != Verb::bdat &&
         verb != Verb::quit;
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

Session::Step Session::read_line(std::string_view& input) {
  if (input.empty()) return Action::need_input;
  if (!spoken_ && line_.empty() && is_unprintable(input.front())) {
    deny_and_close(replies::not_smtp);
    return {};
  }
  const std::string_view part = input.substr(0, line_limit - line_.size());
  const size_t line_feed = part.find('\n');
  if (line_feed != std::string_view::npos) {
    input.remove_prefix(line_feed + 1);
    if (line_.empty()) return end_line(part.substr(0, line_feed));
    line_.append(part.substr(0, line_feed));
    const std::string line = std::move(line_);
    line_ = {};
    return end_line(line);
  }
  input.remove_prefix(part.size());
  if (line_.size() + part.size() < line_limit) {
    line_.append(part);
    return Action::need_input;
  }
  line_.append(part);
  const bool bdat = parse_command(line_).verb == Verb::bdat;
  std::string().swap(line_);
  ended_in_cr_ = part.back() == '\r';
  phase_ = Phase::overlong;
  if (bdat) {  // as in execute()
    deny_and_close(replies::line_too_long);
  } else {
    deny(replies::line_too_long);
  }
  return {};
}

// The rest of a line that was too long, and has its reply already.
Session::Step Session::skip_line(std::string_view& input) {
  if (input.empty()) return Action::need_input;
  const size_t line_feed = input.find('\n');
  if (line_feed == std::string_view::npos) {
    ended_in_cr_ = input.back() == '\r';
    input = {};
    return Action::need_input;
  }
  const bool after_cr = line_feed > 0 ? input[line_feed - 1] == '\r' : ended_in_cr_;
  input.remove_prefix(line_feed + 1);
  phase_ = Phase::command;
  ++progress_;
  if (!after_cr && !settings_.normalize_bare_lf) deny_and_close(replies::bare_lf_in_command);
  return {};
}

Session::Step Session::end_line(std::string_view line) {
  ++progress_;
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  } else if (!settings_.normalize_bare_lf) {
    deny_and_close(replies::bare_lf_in_command);
    return {};
  }
  return execute(line);
}

Session::Step Session::execute(std::string_view line) {
  const Command command = parse_command(line);
  if (is_idle(command.verb) && !count_idle()) return {};
  const bool known = command.verb != Verb::unknown;
  if (const replies::Fixed* fault = fault_of(line, command)) {
    // After a BDAT that cannot be understood octets of a message follow, no one knows how many.
    if (fault == &replies::not_smtp || command.verb == Verb::bdat) {
      deny_and_close(*fault);
    } else {
      deny(*fault);
    }
    spoken_ = spoken_ || known;
    return {};
  }
  spoken_ = true;
  return run(command);
}

// What is wrong with a line in itself, and with its place; BDAT says so only after it took its
// octets.
const replies::Fixed* Session::fault_of(std::string_view line, const Command& command) const {
  const LineKind kind = kind_of(line);
  const bool known = command.verb != Verb::unknown;
  if (is_http_request(line)) return &replies::not_smtp;
  if (!spoken_ && !known && (kind.control || kind.eight_bit)) return &replies::not_smtp;
  if (kind.control) return &replies::control_character;
  if (kind.eight_bit && !may_have_eight_bit(command)) return &replies::eight_bit;
  if (trim_left(line).empty()) return &replies::empty_line;
  if (!command.argument_fits) {
    return command.argument.empty() ? &replies::argument_missing : &replies::argument_unexpected;
  }
  return command.verb == Verb::bdat ? nullptr : refusal_of(command.verb, state_, settings_.lmtp);
}

// False: the client sent too many commands that carry no mail forward, and has been told so.
bool Session::count_idle() {
  if (++commands_ <= settings_.commands) return true;
  deny_and_close(replies::too_many_commands);
  return false;
}

Session::Step Session::run(const Command& command) {
  switch (command.verb) {
    case Verb::mail:
      return mail(command.argument);
    case Verb::rcpt:
      return rcpt(command.argument);
    case Verb::data:
      return data();
    case Verb::bdat:
      return bdat(command);
    case Verb::helo:
    case Verb::ehlo:
    case Verb::lhlo:
      return greet(command);
    case Verb::rset:
      reset_transaction();
      answer(replies::ok);
      break;
    case Verb::noop:
      answer(replies::ok);
      break;
    case Verb::vrfy:
      answer(replies::cannot_verify);
      break;
    case Verb::help:
      answer(settings_.lmtp ? replies::lmtp_help : replies::help);
      break;
    case Verb::quit:
      answer(replies::bye);
      phase_ = Phase::closing;
      break;
    case Verb::missing:
    case Verb::unknown:
      break;  // the table refuses them
  }
  return {};
}

Session::Step Session::greet(const Command& command) {
  if (settings_.lmtp != (command.verb == Verb::lhlo)) {
    deny(settings_.lmtp ? replies::wrong_greeting_lmtp : replies::wrong_greeting);
    return {};
  }
  if (command.argument.size() > greeting_limit) {
    deny(replies::bad_greeting);
    return {};
  }
  greeting_ = command.verb;
  former_helo_ = std::move(envelope_.helo);
  envelope_.helo = command.argument;
  return wait(Waiting::helo, Action::phase_helo);
}

void Session::greeted() {
  std::string().swap(former_helo_);
  greeted_ = true;
  extended_ = greeting_ != Verb::helo;
  reset_transaction();
  state_ = after(Event::greeted, state_);
  replies_ += extended_ ? "250-" : "250 ";
  replies_ += settings_.hostname;
  replies_ += "\r\n";
  if (extended_) announce();
}

void Session::announce() {
  constexpr uint32_t limit_value = 999'999;  // RFC 9422 3: six digits
  replies_ +=
      "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
      "250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n250-SIZE ";
  replies_ += std::to_string(size_limit_);
  replies_ += "\r\n250-LIMITS RCPTMAX=";
  replies_ += std::to_string(std::min(settings_.recipients, limit_value));
  replies_ += "\r\n250-VRFY\r\n250 HELP\r\n";
}

Session::Step Session::data() {
  if (mail_.binary) {
    deny(replies::binary_needs_bdat);
    return {};
  }
  return wait(Waiting::body_start, Action::body_start);
}

Session::Step Session::bdat(const Command& command) {
  ChunkSize size;
  if (!parse_chunk_size(command.argument, size)) {
    deny_and_close(replies::bad_chunk_size);
    return {};
  }
  const replies::Fixed* fault = refusal_of(Verb::bdat, state_, settings_.lmtp);
  // A pipelining client cannot know yet that an earlier chunk failed: those behind it are no errors
  // of its own.
  const bool error = fault != nullptr && state_ != State::failed;
  const bool idle = state_ == State::failed || (size.octets == 0 && !size.last);
  if ((error && count_error()) || (idle && !count_idle())) return {};
  chunk_left_ = size.octets;
  chunk_last_ = size.last;
  phase_ = Phase::chunk;
  if (fault != nullptr) return condemn(*fault, Condemned::at_once);
  if (!verdict_.empty()) return {};  // it waits for LAST
  if (too_large(size.octets) || too_large(octets_ + size.octets)) {
    return condemn(replies::too_large, Condemned::at_once);
  }
  if (state_ == State::rcpt) return wait(Waiting::body_start, Action::body_start);
  return {};
}

}  // namespace lsmtpd::smtp
