// SPDX-License-Identifier: Apache-2.0
#include "server/proxy_wait.hpp"

#include <utility>

#include "io/proxied_stream.hpp"
#include "log/log.hpp"

namespace lsmtpd::server {
namespace {

// A distinguished name as RFC 4514 writes it, of its common name alone.
std::string subject_of(std::string_view common_name) {
  constexpr std::string_view kSpecial = ",+\"\\<>;=";
  if (common_name.empty()) return {};
  std::string subject = "CN=";
  for (size_t i = 0; i < common_name.size(); ++i) {
    const char c = common_name[i];
    const bool at_an_end = i == 0 || i + 1 == common_name.size();
    const bool special = kSpecial.find(c) != std::string_view::npos;
    if (special || (c == ' ' && at_an_end) || (c == '#' && i == 0)) subject += '\\';
    subject += c;
  }
  return subject;
}

// `always`: the proxy has ended TLS even where its header cannot say so.
std::shared_ptr<const message::Tls> tls_of(const io::ProxyHeader& header, bool always) {
  if (!header.tls && !always) return nullptr;
  if (!header.tls) {
    message::Tls tls;
    tls.by = "proxy";
    return std::make_shared<const message::Tls>(std::move(tls));
  }
  return std::make_shared<const message::Tls>(
      message::Tls{.version = header.tls->version,
                   .cipher = header.tls->cipher,
                   .server_name = header.authority,
                   .client_subject = subject_of(header.tls->client_name),
                   .client_sha256 = {},
                   .by = "proxy",
                   .client_verified = header.tls->client_verified});
}

}  // namespace

ProxyWait::ProxyWait(std::shared_ptr<const Service> service, std::unique_ptr<io::Stream> stream,
                     Done done)
    : service_(std::move(service)),
      stream_(std::move(stream)),
      proxy_(stream_->peer()),
      done_(std::move(done)),
      deadline_([this] { over(log::Level::warn, "no PROXY header within timeouts.proxy"); }) {
  stream_->set_handler(*this);
}

void ProxyWait::start() {
  service_->loop.deadlines().arm(deadline_, service_->timeouts.proxy);
  stream_->read_start();
}

void ProxyWait::on_read(std::string_view bytes) {
  switch (reader_.read(bytes)) {
    case io::ProxyHeaderReader::Found::nothing:
      break;
    case io::ProxyHeaderReader::Found::header:
      arrived(bytes);
      break;
    case io::ProxyHeaderReader::Found::fault:
      over(log::Level::warn, reader_.fault());
      break;
  }
}

// A layer-4 health check connects and goes.
void ProxyWait::on_end(io::Stream::End) {
  if (reader_.empty()) {
    over(log::Level::debug, "it ended before it sent anything");
  } else {
    over(log::Level::warn, "it ended within its PROXY header");
  }
}

// `rest`: what came behind the header. A check of version 1 names the addresses of its own
// connection, one of version 2 none.
void ProxyWait::arrived(std::string_view rest) {
  const io::ProxyHeader& header = reader_.header();
  deadline_.disarm();
  stream_->read_stop();
  Result result{.stream = nullptr,
                .origin = {.proxied = true,
                           .proxy = proxy_,
                           .tls = tls_of(header, service_->listener.tls_by_proxy)},
                .check = header.local || header.source.address == proxy_.address};
  if (result.check) {
    log::debug("proxy_check", {{"peer", proxy_.text()}, {"listener", service_->listener.name}});
  }
  const io::Endpoint peer = header.local ? proxy_ : header.source;
  const io::Endpoint local = header.local ? stream_->local() : header.destination;
  result.stream =
      std::make_unique<io::ProxiedStream>(service_->loop, std::move(stream_), peer, local, rest);
  const Done done = std::exchange(done_, nullptr);  // which destroys this
  done(std::move(result));
}

void ProxyWait::over(log::Level level, std::string_view why) {
  deadline_.disarm();
  const auto held_back = level == log::Level::debug
                             ? std::optional<uint64_t>(0)
                             : service_->peers.refusals.admit(service_->loop.now_ms());
  if (held_back) {
    log::write(level, "proxy_refused",
               {{"peer", proxy_.text()},
                {"listener", service_->listener.name},
                {"why", why},
                {"held_back", *held_back}});
  }
  const Done done = std::exchange(done_, nullptr);
  done({});
}

}  // namespace lsmtpd::server
