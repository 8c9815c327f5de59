// SPDX-License-Identifier: Apache-2.0
#include "app/listening.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>

#include "app/daemon.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"

namespace lsmtpd::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kGreetingMax = 64 * 1024;  // octets; a greeting has a few hundred

// The smallest client there can be: it sends nothing but QUIT.
class Probe {
 public:
  explicit Probe(uint64_t deadline_ms)
      : deadline_(Clock::now() + std::chrono::milliseconds(deadline_ms)) {}

  Status connect(const addrinfo& info) {
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

  // The last line of a reply of one or several lines.
  Result<std::string> reply() {
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

  void quit() { (void)::send(socket_.get(), "QUIT\r\n", 6, MSG_NOSIGNAL); }

 private:
  static bool is_reply(const std::string& line) {
    return line.size() >= 3 && line[0] >= '2' && line[0] <= '5' &&
           std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; });
  }

  Status receive() {
    if (input_.size() > kGreetingMax) return fail("the reply does not end");
    if (!wait_for(POLLIN)) return fail("connected, but no reply in time");
    char buffer[512];
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

  bool wait_for(short events) const {
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      pollfd entry{socket_.get(), events, 0};
      const int ready = ::poll(&entry, 1, static_cast<int>(std::max<int64_t>(0, left)));
      if (ready > 0) return true;
      if (ready == 0 || errno != EINTR) return false;
    }
  }

  Clock::time_point deadline_;
  UniqueFd socket_;
  std::string input_;  // received, and not yet part of a reply that was returned
};

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

}  // namespace

Result<std::string> read_greeting(const std::string& host, uint16_t port, uint64_t deadline_ms) {
  const auto addresses = addresses_of(host, port);
  if (!addresses) return tl::unexpected(addresses.error());
  Probe probe(deadline_ms);
  Status connected;
  for (const addrinfo* each = addresses->get(); each; each = each->ai_next) {
    connected = probe.connect(*each);
    if (connected) break;
  }
  if (!connected) return tl::unexpected(connected.error());
  auto greeting = probe.reply();
  if (greeting) {
    probe.quit();
    (void)probe.reply();  // so that the server sees a session that ended as it should
  }
  return greeting;
}

int run_check_listening(const std::string& file) {
  ignore_fatal_signals();
  const auto loaded = load_config(file);
  if (!loaded.ok()) {
    show(loaded.diagnostics, loaded.config.file);
    return kExitUsage;
  }
  int status = kExitOk;
  for (const auto& listener : loaded.config.listeners) {
    if (listener.port == 0) {
      std::fprintf(stderr, "listener %s: its port is chosen at the start, so it cannot be asked\n",
                   listener.name.c_str());
      status = kExitFailed;
      continue;
    }
    const auto greeting =
        read_greeting(listener.host, listener.port, kGreetingDeadlineMs + listener.greet_delay);
    if (!greeting) {
      std::fprintf(stderr, "listener %s: %s port %u: %s\n", listener.name.c_str(),
                   listener.host.c_str(), listener.port, greeting.error().message.c_str());
      status = kExitFailed;
    } else {
      std::printf("listener %s: %s\n", listener.name.c_str(), escape_for_log(*greeting).c_str());
    }
  }
  return status;
}

}  // namespace lsmtpd::app
