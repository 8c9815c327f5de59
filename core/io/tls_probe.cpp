// SPDX-License-Identifier: Apache-2.0
#include "io/tls_probe.hpp"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/openssl.hpp"

namespace lsmtpd::io {

using namespace openssl;

namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

bool is_address(const std::string& host) {
  in6_addr v6{};
  in_addr v4{};
  return inet_pton(AF_INET, host.c_str(), &v4) == 1 || inet_pton(AF_INET6, host.c_str(), &v6) == 1;
}

}  // namespace

struct TlsProbe::State {
  // Repeats `step` until it is done or the deadline passes; returns its last result.
  template <class Step>
  Result<int> run(Step step);
  bool wait_for(short events) const;

  std::unique_ptr<SSL_CTX, FreeContext> context{SSL_CTX_new(TLS_client_method())};
  Session session;
  int fd = -1;
  Deadline deadline;
};

bool TlsProbe::State::wait_for(short events) const {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline - std::chrono::steady_clock::now())
                          .count();
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<int64_t>(0, left)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

template <class Step>
Result<int> TlsProbe::State::run(Step step) {
  for (;;) {
    ERR_clear_error();
    const int result = step(session.get());
    if (result > 0) return result;
    const int error = SSL_get_error(session.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      return fail("{}", ERR_peek_error() ? take_error() : "the connection was closed");
    }
    if (!wait_for(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return fail("not in time");
  }
}

TlsProbe::TlsProbe(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsProbe::~TlsProbe() = default;

Result<std::unique_ptr<TlsProbe>> TlsProbe::connect(int fd, const std::string& server_name,
                                                    Deadline deadline) {
  auto state = std::make_unique<State>();
  state->fd = fd;
  state->deadline = deadline;
  state->session.reset(SSL_new(state->context.get()));
  SSL* ssl = state->session.get();
  if (!ssl || SSL_set_fd(ssl, fd) != 1) return fail("TLS cannot be set up: {}", take_error());
  if (!server_name.empty() && !is_address(server_name))
    SSL_set_tlsext_host_name(ssl, server_name.c_str());
  const auto done = state->run([](SSL* session) { return SSL_connect(session); });
  if (!done) return fail("the TLS handshake failed: {}", done.error().message);
  return std::unique_ptr<TlsProbe>(new TlsProbe(std::move(state)));
}

Result<size_t> TlsProbe::read(char* target, size_t size) {
  const auto count =
      state_->run([&](SSL* session) { return SSL_read(session, target, static_cast<int>(size)); });
  if (!count) return tl::unexpected(count.error());
  return static_cast<size_t>(*count);
}

Status TlsProbe::write(std::string_view bytes) {
  const auto done = state_->run([&](SSL* session) {
    return SSL_write(session, bytes.data(), static_cast<int>(bytes.size()));
  });
  if (!done) return tl::unexpected(done.error());
  return {};
}

std::string TlsProbe::version() const {
  return SSL_get_version(state_->session.get());
}

std::string TlsProbe::tlsa() const {
  const Certificate server(SSL_get1_peer_certificate(state_->session.get()));
  return server ? key_digest(server.get()) : std::string();
}

}  // namespace lsmtpd::io
