// SPDX-License-Identifier: Apache-2.0
#include "io/tls_stream.hpp"

#include <algorithm>
#include <utility>

#include "io/openssl.hpp"
#include "io/tls_engine.hpp"

namespace lsmtpd::io {

using namespace openssl;

namespace {

constexpr size_t kRecord = 16384;     // RFC 8446 5.1: the most content of a record
constexpr uint64_t kHoldStep = 1024;  // below it, kept octets are part of a session's cost

// Content on its way up: in use only during a call, so that all sessions of a thread share it.
thread_local char content[kRecord];

}  // namespace

TlsStream::TlsStream(Loop& loop, TlsTurns& turns, std::unique_ptr<Stream> below, Settings settings)
    : loop_(loop), turns_(turns), below_(std::move(below)), settings_(std::move(settings)) {
  below_->set_handler(*this);
  engine_ = std::make_unique<Engine>(*below_, settings_.context->default_context(),
                                     settings_.client_certificate);
  ERR_clear_error();
  if (!engine_->ssl || !hold()) {
    loop_.defer([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired() && phase_ == Phase::handshake) fail_with("there is no memory");
    });
    return;
  }
  below_->read_start();
}

TlsStream::~TlsStream() {
  free_engine();
}

void TlsStream::free_engine() {
  engine_.reset();
  (void)hold();
}

bool TlsStream::hold() {
  uint64_t octets = 0;
  if (engine_) {
    const uint64_t kept = engine_->records.held();
    octets = (engine_->open ? kIdleCost : kHandshakeCost) + engine_->client_cost + kept -
             kept % kHoldStep;
  }
  if (octets == held_) return true;
  if (!settings_.hold(octets)) return false;
  held_ = octets;
  return true;
}

void TlsStream::on_read(std::string_view bytes) {
  if (!engine_ || told_) return;
  TlsRecords& records = engine_->records;
  records.begin_input(bytes);
  const bool handshake = phase_ == Phase::handshake;
  if (handshake && records.has_record() && (waiting_ || !turns_.has_time())) {
    below_->read_stop();
    if (!std::exchange(waiting_, true)) {
      turns_.wait(alive_, [this] {
        waiting_ = false;
        if (!engine_) return;
        below_->read_start();
        work();
      });
    }
  } else if (!handshake || records.has_record()) {
    work();
    return;
  }
  keep_rest();
}

// Keeps what was not decoded of the input.
void TlsStream::keep_rest() {
  if (!engine_) return;
  engine_->records.end_input();
  if (!hold()) fail_with("limits.tls_memory is used up");
}

// One step of the handshake, and the content that came behind it.
void TlsStream::work() {
  const std::weak_ptr<int> alive = alive_;
  if (phase_ == Phase::handshake) {
    step();
    if (alive.expired()) return;
  }
  if (!deliver()) return;
  if (phase_ == Phase::open && !reading_ && !below_ended_) below_->read_stop();
  keep_rest();
}

void TlsStream::step() {
  int result = 0, error = 0;
  {
    const TlsTurns::Step measured(turns_);
    ERR_clear_error();
    result = SSL_do_handshake(engine_->ssl.get());
    error = SSL_get_error(engine_->ssl.get(), result);
  }
  engine_->flush();
  if (result == 1) {
    established();
  } else if (engine_->records.message_too_long()) {
    fail_with("a message of the handshake is too long");
  } else if (error != SSL_ERROR_WANT_READ) {
    const long verified = SSL_get_verify_result(engine_->ssl.get());
    std::string why = take_error();
    if (verified != X509_V_OK) why += std::string(": ") + X509_verify_cert_error_string(verified);
    fail_with(std::move(why));
  }
}

void TlsStream::established() {
  phase_ = Phase::open;
  engine_->open = true;
  engine_->records.handshake_done();
  Facts all = engine_->facts();
  settings_.context.reset();  // the session has the part that it still needs
  const auto done = std::move(settings_.done);
  if (!hold()) {
    phase_ = Phase::over;
    free_engine();
    done(fail("limits.tls_memory is used up"));
  } else {
    done(std::move(all));
  }
}

// Hands up content while the handler reads. False: the stream is destroyed.
bool TlsStream::deliver() {
  const std::weak_ptr<int> alive = alive_;
  while (reading_ && phase_ == Phase::open && engine_->has_input()) {
    const int count = SSL_read(engine_->ssl.get(), content, kRecord);
    send_own();
    if (own_unsent_ > kMostOwnUnsent || engine_->own_messages > kMostOwnMessages) {
      fail_with("too many messages beside content");
    } else if (count > 0) {
      handler_->on_read({content, static_cast<size_t>(count)});
    } else if (engine_->was_told_goodbye()) {
      end_ = End::goodbye;
      tell_end();
    } else if (!engine_->wants_input()) {
      fail_with(take_error());
    }
    if (alive.expired()) return false;
  }
  if (reading_ && phase_ == Phase::open && below_ended_) {
    end_ = End::silent;  // without a close_notify: it may be forged
    tell_end();
  }
  return !alive.expired();
}

void TlsStream::send_own() {
  const size_t size = engine_->flush();
  if (below_->unsent() > 0) own_unsent_ += size;
}

void TlsStream::tell_end() {
  told_ = true;
  reading_ = false;
  if (!below_ended_) below_->read_stop();
  handler_->on_end(end_);
}

void TlsStream::fail_with(std::string why) {
  const bool handshake = std::exchange(phase_, Phase::over) == Phase::handshake;
  free_engine();
  if (!handshake) {
    end_ = End::broken;
    if (!told_) tell_end();
    return;
  }
  if (!below_ended_) below_->read_stop();
  const auto done = std::move(settings_.done);
  done(fail("{}", why));
}

void TlsStream::on_end(End end) {
  below_ended_ = true;
  if (phase_ == Phase::handshake) {
    fail_with(end == End::broken ? "the connection was lost" : "the client left");
  } else if (phase_ == Phase::open && !told_) {
    end_ = end;
    if (end == End::broken) {
      phase_ = Phase::over;
      free_engine();
      tell_end();
    } else {
      (void)deliver();
    }
  }
}

void TlsStream::on_drained() {
  own_unsent_ = 0;
  if (std::exchange(content_unsent_, false)) handler_->on_drained();
}

void TlsStream::on_closed() {
  handler_->on_closed();
}

bool TlsStream::has_unread_bytes() const {
  if (phase_ != Phase::open || !engine_->has_input()) return false;
  char octet = 0;
  ERR_clear_error();
  const bool any = SSL_peek(engine_->ssl.get(), &octet, 1) > 0;
  engine_->flush();
  return any;
}

void TlsStream::read_start() {
  if (told_ || phase_ == Phase::over) return;
  reading_ = true;
  if (phase_ == Phase::handshake) return;
  if ((below_ended_ || engine_->has_input()) && !std::exchange(deferred_, true)) {
    loop_.defer([this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      deferred_ = false;
      if (deliver()) keep_rest();
    });
  }
  if (!below_ended_) below_->read_start();
}

void TlsStream::read_stop() {
  reading_ = false;
  if (phase_ == Phase::open && !below_ended_) below_->read_stop();
}

void TlsStream::write(std::string_view bytes) {
  if (phase_ != Phase::open || bytes.empty()) return;
  size_t written = 0;
  const bool good = SSL_write_ex(engine_->ssl.get(), bytes.data(), bytes.size(), &written) == 1;
  engine_->flush();
  content_unsent_ = below_->unsent() > 0;
  if (good) return;
  loop_.defer([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired() && phase_ == Phase::open) fail_with("cannot encrypt");
  });
}

void TlsStream::close_when_sent(bool linger) {
  if (std::exchange(phase_, Phase::over) == Phase::open) {
    ERR_clear_error();
    SSL_shutdown(engine_->ssl.get());
    engine_->flush();
  }
  reading_ = false;
  free_engine();
  below_->close_when_sent(linger);
}

void TlsStream::close() {
  phase_ = Phase::over;
  reading_ = false;
  free_engine();
  below_->close();
}

}  // namespace lsmtpd::io
