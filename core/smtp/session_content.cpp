// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that takes content: DATA (RFC 5321 4.1.1.4), BDAT (RFC 3030), and what
// ContentReceiver finds behind them. Content of a message that is refused is discarded at once.
#include <charconv>

#include "base/text.hpp"
#include "smtp/blanks.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::smtp {
namespace {

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
  const replies::Fixed* fault = must_start_tls(Verb::bdat)
                                    ? &replies::kTlsRequired
                                    : refusal_of(Verb::bdat, state_, settings_->lmtp);
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

void Session::start_body() {
  stored_ = true;
  if (chunk_) {
    state_ = after(Event::chunk_accepted, state_);
    content_.begin_chunks(content_rules(), mail_.binary);
    return;
  }
  answer(replies::kGoAhead);
  mode_ = Mode::content;
  content_.begin_data(content_rules());
}

Session::Step Session::take_content(std::string_view& input) {
  std::string_view piece;
  switch (content_.take(input, piece)) {
    case ContentReceiver::Found::nothing:
      return Action::need_input;
    case ContentReceiver::Found::piece:
      body_ = piece;
      return Action::body;
    case ContentReceiver::Found::condemned:
      discard();
      break;
    case ContentReceiver::Found::endless:
      discard();
      deny_and_close(replies::kTooLarge, content_.last() ? recipients_to_answer() : 1);
      break;
    case ContentReceiver::Found::end:
      ++progress_;
      mode_ = Mode::commands;
      if (dialogue_) {
        dialogue_->hidden("(content, " + std::to_string(content_.octets()) + " octets)",
                          replies_.text());
      }
      return chunk_ ? end_chunk() : end_data();
  }
  return {};
}

// The caller hears of it before anything else happens.
void Session::discard() {
  discard_due_ = discard_due_ || stored_;
  stored_ = false;
}

Session::Step Session::end_data() {
  if (!content_.condemned()) return wait(Waiting::body_end, Action::body_end);
  content_.write_verdict(replies_, recipients_to_answer());
  end_refused();
  reset_due_ = true;
  return {};
}

Session::Step Session::end_chunk() {
  const bool condemned = content_.condemned();
  const bool last = content_.last();
  if (!last && (!condemned || content_.told_at_last())) {
    answer(replies::kOk);
    return {};
  }
  if (!condemned) return wait(Waiting::body_end, Action::body_end);
  const size_t start = replies_.text().size();
  content_.write_verdict(replies_, last ? recipients_to_answer() : 1);
  end_refused();
  const State state = after(Event::chunk_refused, state_);
  if (state == State::failed && state_ != State::failed && !last) {
    failed_chunk_ = replies_.text().substr(start, replies_.text().find('\r', start) - start);
  }
  if (state == State::failed && last) {
    reset_due_ = true;
  } else {
    state_ = state;
  }
  return {};
}

// The reply to what was condemned is written.
void Session::end_refused() {
  if (content_.fault() != nullptr) tell_refusal(*content_.fault(), true);
  if (content_.closes()) mode_ = Mode::closing;
  content_.forget_verdict();
}

// RFC 2033 4.2: in LMTP the end of a message has one reply for each recipient that was accepted.
uint32_t Session::recipients_to_answer() const {
  return settings_->lmtp && accepted_ > 0 ? accepted_ : 1;
}

ContentReceiver::Rules Session::content_rules() const {
  return {settings_->normalize_bare_lf, settings_->received_headers, settings_->traceparent};
}

}  // namespace lsmtpd::smtp
