// SPDX-License-Identifier: Apache-2.0
// An application on 127.0.0.1, on a thread of its own: the test says what it answers to each
// request, octet by octet. Connections are kept, one is served at a time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace lsmtpd::test {

inline std::string http_answer(const std::string& status, const std::string& body = {}) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

class HttpService {
 public:
  // Gets each request whole. An empty answer: none, and the connection stays. One that ends with
  // kEnd: the octets before that, and the connection is closed.
  static constexpr std::string_view kEnd = "\x01END";
  using Handler = std::function<std::string(const std::string& request)>;

  explicit HttpService(Handler handler)
      : handler_(std::move(handler)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd_, 8) != 0 ||
        pipe(wake_) != 0)
      std::abort();
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/ask";
    thread_ = std::thread([this] { run(); });
  }
  ~HttpService() {
    (void)!write(wake_[1], "x", 1);
    thread_.join();
    for (const auto& open : open_) close(open.fd);
    for (const int fd : {fd_, wake_[0], wake_[1]}) close(fd);
  }
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  const std::string& url() const { return url_; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
  }

 private:
  struct Open {
    int fd;
    std::string input;
  };

  void run() {
    for (;;) {
      std::vector<pollfd> fds{{wake_[0], POLLIN, 0}, {fd_, POLLIN, 0}};
      for (const auto& open : open_) fds.push_back({open.fd, POLLIN, 0});
      if (poll(fds.data(), fds.size(), -1) < 0) continue;
      if (fds[0].revents) return;
      for (size_t i = fds.size(); i-- > 2;)
        if (fds[i].revents && !serve(open_[i - 2])) {
          close(open_[i - 2].fd);
          open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i - 2));
        }
      if (fds[1].revents) {
        open_.push_back({accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC), {}});
        const std::lock_guard lock(mutex_);
        ++connections_;
      }
    }
  }
  bool serve(Open& open) {
    char buffer[65536];
    const ssize_t count = recv(open.fd, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    open.input.append(buffer, static_cast<size_t>(count));
    const size_t end = open.input.find("\r\n\r\n"), length = open.input.find("Content-Length: ");
    if (end == std::string::npos || length == std::string::npos ||
        open.input.size() < end + 4 + std::stoul(open.input.substr(length + 16)))
      return true;
    const std::string request = std::exchange(open.input, {});
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    std::string answer = handler_(request);
    const bool ends = answer.ends_with(kEnd);
    if (ends) answer.resize(answer.size() - kEnd.size());
    const bool sent =
        answer.empty() || send(open.fd, answer.data(), answer.size(), MSG_NOSIGNAL) >= 0;
    return sent && !ends;
  }

  Handler handler_;
  int fd_, wake_[2] = {-1, -1};
  std::string url_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;  // under mutex_
  int connections_ = 0;                // under mutex_
  std::vector<Open> open_;
  std::thread thread_;
};

}  // namespace lsmtpd::test
