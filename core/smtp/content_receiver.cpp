// SPDX-License-Identifier: Apache-2.0
#include "smtp/content_receiver.hpp"

#include <algorithm>

namespace lsmtpd::smtp {

void ContentReceiver::begin(const Rules& rules, Scanner::Framing framing) {
  octets_ = 0;
  header_ = {};
  if (rules.traceparent) header_.want_traceparent();
  received_headers_ = rules.received_headers;
  scanner_ = Scanner(framing, rules.normalize_bare_lf);
}

void ContentReceiver::begin_data(const Rules& rules) {
  chunked_ = last_ = false;
  begin(rules, Scanner::Framing::dots);
}

void ContentReceiver::begin_chunk(uint64_t octets, bool last) {
  chunked_ = true;
  left_ = octets;
  last_ = last;
}

void ContentReceiver::begin_chunks(const Rules& rules, bool binary) {
  begin(rules, binary ? Scanner::Framing::binary : Scanner::Framing::octets);
}

ContentReceiver::Found ContentReceiver::take(std::string_view& input, std::string_view& piece) {
  for (;;) {
    if (chunked_ && left_ == 0) {
      if (!last_ || condemned() || !scanner_.after_cr()) return Found::end;
      condemn(replies::kBareCr, Condemned::lines);
      return Found::condemned;
    }
    if (input.empty()) return Found::nothing;
    switch (scan(input, piece)) {
      case Scanner::Found::piece:
        if (const Found found = count(piece); found != Found::nothing) return found;
        break;
      case Scanner::Found::end:
        return Found::end;
      case Scanner::Found::bare_cr:
        condemn(replies::kBareCr, Condemned::lines);
        return Found::condemned;
      case Scanner::Found::bare_lf:
        condemn(replies::kBareLf, Condemned::lines);
        return Found::condemned;
      case Scanner::Found::nul_dot:
        condemn(replies::kNulDot, Condemned::lines);
        return Found::condemned;
      case Scanner::Found::nothing:
        break;
    }
  }
}

// A chunk ends by its size; what is drained of it is not looked at.
Scanner::Found ContentReceiver::scan(std::string_view& input, std::string_view& piece) {
  if (!chunked_) return scanner_.scan(input, piece);
  const auto size = static_cast<size_t>(std::min<uint64_t>(left_, input.size()));
  std::string_view part = input.substr(0, size);
  Scanner::Found found = Scanner::Found::piece;
  piece = part;
  if (condemned()) {
    part = {};
  } else {
    found = scanner_.scan(part, piece);
  }
  const size_t consumed = size - part.size();
  input.remove_prefix(consumed);
  left_ -= consumed;
  return found;
}

// Nothing: it is drained.
ContentReceiver::Found ContentReceiver::count(std::string_view piece) {
  octets_ += piece.size();
  const bool before = condemned();
  if (!before) inspect(piece);
  if (!condemned()) return Found::piece;
  // Draining has an end too: a client that did not stop at twice the limit will not stop soon.
  if (too_large(octets_) && too_large(octets_ - size_limit_)) return Found::endless;
  return before ? Found::nothing : Found::condemned;
}

// The first fault in the message is the one that is reported, wherever the network cut it: so only
// content within the size limit is searched for a loop.
void ContentReceiver::inspect(std::string_view piece) {
  const uint64_t over = too_large(octets_) ? octets_ - size_limit_ : 0;
  header_.feed(piece.substr(0, piece.size() - std::min<uint64_t>(over, piece.size())));
  if (header_.received_fields() > received_headers_) {
    condemn(replies::kLoop, Condemned::content);
  } else if (over > 0) {
    condemn(replies::kTooLarge, Condemned::at_once);
  }
}

void ContentReceiver::condemn(const replies::Fixed& reply, Condemned kind) {
  fault_ = &reply;
  // Where lines frame the message, a bare CR or LF is smuggling or a broken client: nothing that
  // follows is to be trusted. A chunk's end is certain, so there the session may go on.
  closes_ = kind == Condemned::lines && !chunked_;
  told_at_last_ = kind != Condemned::at_once;
  scanner_.drain();
}

void ContentReceiver::refuse(const Reply& reply) {
  refusal_ = std::make_unique<Reply>(reply);
}

void ContentReceiver::write_verdict(ReplyWriter& replies, uint32_t times) const {
  if (refusal_) {
    replies.write(*refusal_, times);
  } else if (fault_ != nullptr) {
    replies.write(*fault_, times);
  }
}

void ContentReceiver::forget_verdict() {
  fault_ = nullptr;
  refusal_.reset();
  told_at_last_ = closes_ = false;
}

void ContentReceiver::reset() {
  forget_verdict();
  octets_ = 0;
}

}  // namespace lsmtpd::smtp
