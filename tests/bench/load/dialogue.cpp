// SPDX-License-Identifier: Apache-2.0
#include "dialogue.hpp"

#include "replies.hpp"

namespace lsmtpd::bench {
namespace {

struct Expected {
  const char* name;
  int code;
};
constexpr Expected kExpected[] = {{"the banner", 220}, {"EHLO", 250}, {"MAIL", 250},
                                  {"RCPT", 250},       {"DATA", 354}, {"the content", 250},
                                  {"QUIT", 221}};

}  // namespace

Dialogue::Dialogue(const Options& options, const Script& script, Work& work, Tally& tally,
                   Clock::time_point began)
    : options_(options), script_(script), work_(work), tally_(tally), connected_(began) {}

const char* Dialogue::waits_for() const {
  return awaited_.empty() ? "nothing" : kExpected[static_cast<int>(awaited_.front())].name;
}

void Dialogue::say(std::string_view text, Step awaited, bool ends_message) {
  outgoing_.push_back({text, ends_message});
  awaited_.push_back(awaited);
}

void Dialogue::say_content() {
  say(script_.content, Step::content, true);
  if (!options_.kept && options_.style != Style::stepwise) say(Script::quit, Step::quit);
}

void Dialogue::begin_transaction(Clock::time_point began) {
  in_flight_.push_back({began, {}});
  say(script_.mail, Step::mail);
  if (options_.style == Style::stepwise) return;
  say(script_.rcpt, Step::rcpt);
  if (options_.style == Style::pipelined) {
    say(Script::data, Step::data);
  } else {
    outgoing_.push_back({script_.chunk, false});
    say_content();
  }
}

void Dialogue::begin(Clock::time_point now) {
  const std::size_t window = options_.style == Style::chunked ? options_.window : 1;
  for (std::size_t open = 0; open < window && work_.take(); ++open) begin_transaction(now);
}

// After content went out (pipelined) or was answered (the others).
void Dialogue::next(Clock::time_point now) {
  if (options_.kept) {
    if (work_.take()) begin_transaction(now);
  } else if (options_.style == Style::stepwise) {
    hang_up();
  }
}

void Dialogue::hang_up() {
  say(Script::quit, Step::quit);
}

void Dialogue::check_extensions(std::string_view reply) {
  const char* needed = options_.style == Style::pipelined ? "PIPELINING"
                       : options_.style == Style::chunked ? "CHUNKING"
                                                          : "";
  if (reply.find(needed) == reply.npos) missing_ = needed;
}

bool Dialogue::replied(std::string_view reply, Clock::time_point now) {
  const Expected& expected =
      kExpected[static_cast<int>(awaited_.empty() ? Step::quit : awaited_.front())];
  if (awaited_.empty() || code_of(reply) != expected.code) {
    tally_.failed(std::string("reply to ") + waits_for() + ": " + std::string(reply));
    return false;
  }
  const Step step = awaited_.front();
  awaited_.pop_front();
  const bool stepwise = options_.style == Style::stepwise;
  switch (step) {
    case Step::banner:
      say(Script::ehlo, Step::ehlo);
      break;
    case Step::ehlo:
      check_extensions(reply);
      ready_ = true;
      if (!options_.kept && missing_.empty()) begin_transaction(connected_);
      break;
    case Step::mail:
      if (stepwise) say(script_.rcpt, Step::rcpt);
      break;
    case Step::rcpt:
      if (stepwise) say(Script::data, Step::data);
      break;
    case Step::data:
      say_content();
      if (options_.style == Style::pipelined) next(now);
      break;
    case Step::content:
      tally_.delivered(in_flight_.front().began, in_flight_.front().sent, now);
      in_flight_.pop_front();
      --sent_;
      if (options_.style != Style::pipelined) next(now);
      break;
    case Step::quit:
      ended_ = true;
      return false;
  }
  return true;
}

void Dialogue::sent(Clock::time_point now) {
  if (outgoing_.front().ends_message) in_flight_[sent_++].sent = now;
  outgoing_.pop_front();
}

}  // namespace lsmtpd::bench
