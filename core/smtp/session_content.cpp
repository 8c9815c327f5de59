// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that answers content: what ContentReceiver finds in DATA (RFC 5321
// 4.1.1.4) and BDAT (RFC 3030). What came of a message that is condemned is discarded at once.
#include "smtp/session.hpp"

namespace lsmtpd::smtp {

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
  return settings_.lmtp && accepted_ > 0 ? accepted_ : 1;
}

ContentReceiver::Rules Session::content_rules() const {
  return {settings_.normalize_bare_lf, settings_.received_headers};
}

}  // namespace lsmtpd::smtp
