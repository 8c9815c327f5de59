// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that takes the octets of messages: DATA (RFC 5321 4.1.1.4) and BDAT
// (RFC 3030). A message that cannot be accepted is condemned: what came of it is discarded at once,
// the rest is drained, and the client hears of it at the true end.
#include <algorithm>

#include "smtp/session.hpp"

namespace lsmtpd::smtp {

Session::Step Session::take_data(std::string_view& input) {
  std::string_view piece;
  const Scanner::Found found = scanner_.scan(input, piece);
  if (found == Scanner::Found::end) return end_data();
  return take_found(found, piece);
}

Session::Step Session::take_chunk(std::string_view& input) {
  if (chunk_left_ == 0) return end_chunk();
  if (input.empty()) return Action::need_input;
  const auto size = static_cast<size_t>(std::min<uint64_t>(chunk_left_, input.size()));
  std::string_view part = input.substr(0, size);
  std::string_view piece = part;
  Scanner::Found found = Scanner::Found::piece;
  if (verdict_.empty()) {
    found = scanner_.scan(part, piece);
  } else {
    part = {};
  }
  const size_t eaten = size - part.size();
  input.remove_prefix(eaten);
  chunk_left_ -= eaten;
  return take_found(found, piece);
}

Session::Step Session::take_found(Scanner::Found found, std::string_view piece) {
  switch (found) {
    case Scanner::Found::piece:
      return keep(piece);
    case Scanner::Found::bare_cr:
      return condemn(replies::bare_cr, Condemned::lines);
    case Scanner::Found::bare_lf:
      return condemn(replies::bare_lf, Condemned::lines);
    case Scanner::Found::nul_dot:
      return condemn(replies::nul_dot, Condemned::lines);
    case Scanner::Found::end:
    case Scanner::Found::nothing:
      break;
  }
  return Action::need_input;
}

Session::Step Session::condemn(const replies::Fixed& reply, Condemned kind) {
  verdict_.assign(reply.line).append("\r\n");
  verdict_reason_ = replies::reason_of(reply);
  // Where lines frame the message, one that blurs them is smuggling or a broken client: nothing
  // that follows is to be trusted. A chunk's end is certain, so there the session may go on.
  close_after_verdict_ = kind == Condemned::lines && phase_ == Phase::data;
  verdict_at_last_ = kind != Condemned::at_once;
  scanner_.drain();
  discard_due_ = discard_due_ || stored_;
  stored_ = false;
  return {};
}

bool Session::too_large(uint64_t octets) const {
  return size_limit_ != 0 && octets > size_limit_;
}

Session::Step Session::keep(std::string_view piece) {
  octets_ += piece.size();
  if (verdict_.empty()) inspect(piece);
  if (verdict_.empty()) {
    body_ = piece;
    return Action::body;
  }
  // Draining has an end too: a client that did not stop at twice the limit will not stop soon.
  if (too_large(octets_) && too_large(octets_ - size_limit_)) {
    const bool last = phase_ == Phase::data || chunk_last_;
    deny_and_close(replies::too_large, last ? recipients_to_answer() : 1);
  }
  return {};
}

// What comes first in the message is told, wherever the network cut it: so only what is within the
// size limit is looked at for a loop.
void Session::inspect(std::string_view piece) {
  const uint64_t over = too_large(octets_) ? octets_ - size_limit_ : 0;
  received_.feed(piece.substr(0, piece.size() - std::min<uint64_t>(over, piece.size())));
  if (received_.fields() > settings_.received_headers) {
    condemn(replies::loop, Condemned::content);
  } else if (over > 0) {
    condemn(replies::too_large, Condemned::at_once);
  }
}

Session::Step Session::end_data() {
  ++progress_;
  phase_ = Phase::command;
  if (verdict_.empty()) return wait(Waiting::body_end, Action::body_end);
  append_for_each_recipient(verdict_);
  end_refused();
  reset_due_ = true;
  return {};
}

Session::Step Session::end_chunk() {
  ++progress_;
  if (chunk_last_ && verdict_.empty() && scanner_.after_cr())
    return condemn(replies::bare_cr, Condemned::lines);
  phase_ = Phase::command;
  if (!chunk_last_ && (verdict_.empty() || verdict_at_last_)) {
    answer(replies::ok);
    return {};
  }
  if (verdict_.empty()) return wait(Waiting::body_end, Action::body_end);
  if (chunk_last_) {
    append_for_each_recipient(verdict_);
  } else {
    replies_ += verdict_;
  }
  end_refused();
  const State state = after(Event::chunk_refused, state_);
  if (state == State::failed && chunk_last_) {
    reset_due_ = true;
  } else {
    state_ = state;
  }
  return {};
}

// The reply to what was condemned is written.
void Session::end_refused() {
  if (!verdict_reason_.empty()) tell_refusal(verdict_reason_, verdict_, true);
  if (close_after_verdict_) phase_ = Phase::closing;
  forget_verdict();
}

void Session::forget_verdict() {
  std::string().swap(verdict_);
  verdict_reason_ = {};
  verdict_at_last_ = false;
  close_after_verdict_ = false;
}

}  // namespace lsmtpd::smtp
