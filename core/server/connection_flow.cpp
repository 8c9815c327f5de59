// SPDX-License-Identifier: Apache-2.0
// The part of Connection that slows a client down: input that is kept until the session can take
// it, and replies that the client leaves unread.
#include "base/secret.hpp"
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {
namespace {

constexpr size_t kRepliesKept = 512;  // bytes that an idle connection's buffer may keep

}  // namespace

// The answer or the memory that it waited for is there.
void Connection::resume() {
  std::string input = std::exchange(kept_, {});
  memory_.release_input();
  drive(input);
  if (session_.take_secret_seen()) wipe(input);
  const bool reads = state_ == State::reading || (state_ != State::turn && kept_.empty());
  if (!half_closed_ && reads) stream_->read_start();
}

// False, here and below: the connection is closing.
bool Connection::keep(std::string_view input) {
  if (ending_ && !ending_->after_transaction) {  // nobody will look at it
    stream_->read_stop();
    return waits_for_us();
  }
  if (!memory_.keep_input(input.size())) {
    stream_->read_stop();
    return out_of_memory();
  }
  hold_back(input);
  return true;
}

void Connection::hold_back(std::string_view input) {
  stream_->read_stop();
  append_and_wipe(kept_, input);
  if (service_->auth != nullptr) clear(input);  // a password may be in it
}

bool Connection::write_replies() {
  if (session_.replies().empty()) return true;
  // Replies that were left unread before count, not this batch: in LMTP one message may have very
  // many replies. The last reply of all is no reason to give up those before it.
  if (stream_->unsent() > service_->limits.unread_replies && !session_.closing()) {
    log_closed(log::Level::warn, "limits.unread_replies passed");
    close();
    return false;
  }
  send_replies();
  if (stream_->unsent() > 0 && state_ == State::reading) advance(Event::replies_unread);
  return true;
}

void Connection::send_replies() {
  auto& replies = session_.replies();
  if (replies.empty()) return;
  if (trace_) trace_->sent(replies);
  stream_->write(replies);
  replies.clear();
  if (replies.capacity() > kRepliesKept) replies.shrink_to_fit();
}

void Connection::on_drained() {
  timers_.forget_idle();  // the time that the client took to read is not its next command's
  if (state_ != State::unread) return;
  advance(Event::replies_read);
  resume();
}

}  // namespace lsmtpd::server
