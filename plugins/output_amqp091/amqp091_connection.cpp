// SPDX-License-Identifier: Apache-2.0
#include "amqp091_connection.hpp"

#include <unistd.h>

namespace lsmtpd::amqp091 {

namespace {

constexpr std::chrono::milliseconds kShutPatience{1000};
// Offered to the broker; RabbitMQ's own default.
constexpr std::uint32_t kFrameMax = 128 * 1024;
// Mail waits here up to some 256 KiB (channel_publish.cpp): more are answers to the broker.
constexpr std::size_t kMostUnsent = 512 * 1024;

std::string field(const Fields& fields, std::string_view key) {
  const auto found = fields.find(key);
  return found == fields.end() ? std::string() : found->second;
}

}  // namespace

Connection::Connection(sdk::LaneHost host, const Options& options, Dialing& dialing,
                       std::string name, BrokerConnection::Owner& lane, Events& events)
    : BrokerConnection(host, options, dialing, lane),
      host_(host),
      options_(options),
      name_(std::move(name)),
      password_(options.password_file, options.password),
      events_(events) {}

void Connection::connected(int fd) {
  std::unique_ptr<Tls> tls;
  if (url().tls) {
    auto made = Tls::make(options_.tls, url().host);
    if (!made) {
      ::close(fd);
      return dialer_.failed(Step::tls, made.error());
    }
    tls = *std::move(made);
  }
  const bool clear = tls == nullptr;
  password_now_ = password_.renew(host_);
  frames_.emplace(static_cast<FrameReader::Handler&>(*this));
  Login login;
  login.mechanisms = options_.mechanisms;
  login.username = options_.username;
  login.password = password_now_;
  login.vhost = options_.vhost;
  login.connection_name = name_;
  login.frame_max = kFrameMax;
  login.heartbeat = options_.heartbeat;
  handshake_.emplace(login);
  pump_ =
      std::make_unique<BytePump>(host_, fd, std::move(tls), static_cast<BytePump::Owner&>(*this));
  if (!pump_->start()) return dialer_.failed(Step::connect, "the socket could not be watched");
  if (clear) handshake_->begin(&pump_->out());
}

void Connection::secured() {
  lane_.step_done(Step::tls, pump_->tls()->description());
  handshake_->begin(&pump_->out());
}

Step Connection::step() const {
  if (!pump_) return Step::connect;
  const Tls* tls = pump_->tls();
  if (tls != nullptr && (!tls->established() || !tls->error().empty())) return Step::tls;
  return handshake_->step();
}

void Connection::received(std::string_view bytes) {
  const bool going_on = frames_->feed(bytes);
  const std::string why = frames_->error();
  if (!why.empty()) return end(why);
  if (going_on && pump_ && pump_->unsent() > kMostUnsent)
    end("the broker asks for answers without end, and does not read them");
}

bool Connection::frame(FrameType type, std::uint16_t channel, std::string_view payload,
                       std::uint32_t) {
  if (ending_) return false;
  if (shut_ && channel != 0) return true;  // answers to what was under way
  if (type == FrameType::heartbeat || type == FrameType::body) return true;
  Reader reader(payload);
  if (type == FrameType::header) {
    if (open_) events_.channel_header(channel, reader);
  } else if (type == FrameType::method) {
    const Method method = read_method(&reader);
    if (!open_) {
      handshake_method(method, reader);
    } else if (channel != 0) {
      events_.channel_method(channel, method, reader);
    } else {
      return own_method(method, reader);
    }
  } else {
    end("the broker sent a frame of an unknown type");
  }
  return pump_ != nullptr && !ending_;
}

void Connection::handshake_method(Method method, Reader payload) {
  switch (handshake_->method(method, payload, &pump_->out())) {
    case Handshake::Result::going_on:
      return pump_->wake();
    case Handshake::Result::open:
      return opened();
    case Handshake::Result::failed:
      return end(handshake_->error());
  }
}

void Connection::opened() {
  dialer_.opened();
  open_ = true;
  lane_.step_done(Step::sasl, handshake_->mechanism());
  const std::string text = product();
  lane_.step_done(Step::open, text.empty() ? "the broker does not say what it is" : text);
  if (tuned().heartbeat != 0) beat();
  lane_.connection_open();
}

std::string Connection::product() const {
  const std::string name = field(server(), "product");
  return name.empty() ? name : name + " " + field(server(), "version");
}

// Methods on channel 0 of an open connection.
bool Connection::own_method(Method method, Reader payload) {
  switch (method) {
    case Method::connection_close:
      put_plain(&pump_->out(), 0, Method::connection_close_ok);
      end_later(read_closing(payload).printed());
      return false;
    case Method::connection_close_ok:
      end("closed");
      return false;
    case Method::connection_blocked:
      events_.connection_blocked(payload.short_string());
      return true;
    case Method::connection_unblocked:
      events_.connection_unblocked();
      return true;
    default:
      end("the broker sent a method out of turn");
      return false;
  }
}

// A frame each half of the interval, and two intervals of silence are too many (specification,
// 4.2.7).
void Connection::beat() {
  const std::uint64_t interval = std::uint64_t{tuned().heartbeat} * 1000;
  const std::uint64_t now = host_.now_ms();
  if (now - pump_->heard_at() > 2 * interval)
    return end("no frame from the broker for " + std::to_string(2 * tuned().heartbeat) + " s");
  if (now - pump_->said_at() >= interval / 2 && pump_->unsent() == 0) {
    put_heartbeat(&pump_->out());
    pump_->wake();
  }
  heartbeat_timer_ = host_.timer(std::chrono::milliseconds(interval / 4), [this] { beat(); });
}

// Once the answer to the broker's close has been written.
void Connection::end_later(std::string why) {
  ending_ = true;
  pump_->wake();
  end_timer_ =
      host_.timer(std::chrono::milliseconds(1), [this, why = std::move(why)] { end(why); });
}

void Connection::ended(const std::string& why) {
  const Tls* tls = pump_->tls();
  // With TLS 1.3 a broker looks at the client's certificate after the handshake; some only close.
  if (tls != nullptr && tls->established() && handshake_->mechanism().empty() && !shut_) {
    return dialer_.failed(Step::tls,
                          why + "; right after the handshake: " +
                              (options_.tls.certificate.empty()
                                   ? "it may want a client certificate, see `tls_certificate`"
                                   : "it may refuse the client certificate"));
  }
  if (!open_ && handshake_->mechanism().empty() && tls == nullptr) {
    return end(why +
               " before connection.start: it may not speak AMQP 0-9-1, or expect TLS "
               "(amqps://); for AMQP 1.0 see output_amqp (AMQP_PROTOCOL = 1.0)");
  }
  end(why);
}

void Connection::end(std::string_view why) {
  const std::string text(why);
  if (shut_) {
    drop(Step::open);
    return std::exchange(shut_, nullptr)();
  }
  if (!open_ || !dialer_.retries()) {
    const Step at = open_ ? Step::attach : step();
    return dialer_.failed(at, text);
  }
  lost(text);
}

void Connection::lost(std::string_view why) {
  drop(Step::open);
  dialer_.lost();
  lane_.connection_lost(why);
}

void Connection::replace(std::string_view why) {
  if (open_) end(why);
}

// The socket closes now; the pump goes when no callback of it can be under way.
void Connection::drop(Step) {
  heartbeat_timer_.cancel();
  end_timer_.cancel();
  open_ = false;
  ending_ = false;
  if (!pump_) return;
  pump_->stop();
  host_.defer([old = std::move(pump_)] { (void)old; });
}

void Connection::shut(std::function<void()> done) {
  dialer_.stop();
  if (!open_) {
    drop(Step::connect);
    return done();
  }
  const bool under_way = shut_ != nullptr;
  shut_ = std::move(done);
  if (under_way) return;
  end_timer_ = host_.timer(kShutPatience, [this] { end("closed"); });
  put_close(&pump_->out(), 0, "closing");
  pump_->wake();
}

}  // namespace lsmtpd::amqp091
