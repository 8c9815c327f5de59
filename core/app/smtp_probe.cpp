// SPDX-License-Identifier: Apache-2.0
#include "app/smtp_probe.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "io/endpoint.hpp"
#include "io/socket_binding.hpp"

namespace lsmtpd::app {

namespace {

using std::string_view_literals::operator""sv;

// Version 2 of the PROXY protocol, command LOCAL, no addresses.
constexpr std::string_view kLocalHeader = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"sv;
constexpr size_t kGreetingMax = 64 * 1024;  // octets; a greeting has a few hundred

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Addresses> addresses_of(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string service = std::to_string(port);
  // Without a name it is the loopback addresses.
  const int status =
      ::getaddrinfo(host == "*" ? nullptr : host.c_str(), service.c_str(), &hints, &list);
  if (status != 0) return fail("cannot resolve {}: {}", host, gai_strerror(status));
  return Addresses(list, &::freeaddrinfo);
}

bool is_reply(const std::string& line) {
  return line.size() >= 3 && line[0] >= '2' && line[0] <= '5' &&
         std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Status SmtpProbe::connect(const std::string& host, uint16_t port,
                          std::span<const Network> proxy_protocol_from) {
  const std::string_view path = io::unix_path(host);
  if (!path.empty()) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    path.copy(local.sun_path, sizeof local.sun_path - 1);
    addrinfo info{};
    info.ai_family = AF_UNIX;
    info.ai_addr = reinterpret_cast<sockaddr*>(&local);
    info.ai_addrlen = sizeof local;
    return connect_to(info);
  }
  const auto addresses = addresses_of(host, port);
  if (!addresses) return tl::unexpected(addresses.error());
  Status connected;
  for (const addrinfo* each = addresses->get(); each; each = each->ai_next) {
    connected = connect_to(*each);
    if (connected) break;
  }
  if (!connected) return connected;
  if (any_contains(proxy_protocol_from, io::local_endpoint(socket_.get()).address))
    send(kLocalHeader);
  return {};
}

Status SmtpProbe::connect_to(const addrinfo& info) {
  socket_.reset(::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) return fail("{}", std::strerror(errno));
  if (::connect(socket_.get(), info.ai_addr, info.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return fail("{}", std::strerror(errno));
  if (!wait_for(POLLOUT)) return fail("no connection in time");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail("{}", std::strerror(error));
  return {};
}

Status SmtpProbe::start_tls(const std::string& server_name) {
  auto tls = io::TlsProbe::connect(socket_.get(), server_name, deadline_);
  if (!tls) return tl::unexpected(tls.error());
  tls_ = std::move(*tls);
  return {};
}

Result<std::string> SmtpProbe::reply() {
  for (;;) {
    const size_t end = input_.find('\n');
    if (end == std::string::npos) {
      if (auto status = receive(); !status) return tl::unexpected(status.error());
      continue;
    }
    std::string line = input_.substr(0, end);
    input_.erase(0, end + 1);
    if (line.ends_with('\r')) line.pop_back();
    if (!is_reply(line)) return fail("not an SMTP reply: {}", escape_for_log(line));
    if (line.size() == 3 || line[3] == ' ') return line;
  }
}

void SmtpProbe::send(std::string_view text) {
  if (tls_) {
    (void)tls_->write(text);
  } else {
    (void)::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
}

Status SmtpProbe::receive() {
  if (input_.size() > kGreetingMax) return fail("the reply does not end");
  char buffer[512];
  if (tls_) {
    const auto count = tls_->read(buffer, sizeof buffer);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) return fail("the connection was closed before a reply");
    input_.append(buffer, *count);
    return {};
  }
  if (!wait_for(POLLIN)) return fail("connected, but no reply in time");
  const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
  if (count > 0) {
    input_.append(buffer, static_cast<size_t>(count));
  } else if (count == 0) {
    return fail("the connection was closed before a reply");
  } else if (errno != EAGAIN && errno != EINTR) {
    return fail("{}", std::strerror(errno));
  }
  return {};
}

bool SmtpProbe::wait_for(short events) const {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline_ - std::chrono::steady_clock::now())
                          .count();
    pollfd entry{socket_.get(), events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<int64_t>(0, left)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace lsmtpd::app
