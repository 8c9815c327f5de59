// SPDX-License-Identifier: Apache-2.0
// A policy service for tests, on the loopback or a UNIX socket: each request gets the answer that
// the test says.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lsmtpd::policy {

class PolicyService {
 public:
  struct Answer {
    std::string bytes;
    bool closes = false;  // behind the bytes
  };
  using Handler = std::function<Answer(const std::string& request)>;
  static Handler always(const std::string& action) {
    return [action](const std::string&) { return Answer{"action=" + action + "\n\n", false}; };
  }

  explicit PolicyService(Handler handler, const std::string& path = {})
      : handler_(std::move(handler)), path_(path), fd_(make(path)) {
    if (fd_ < 0 || listen(fd_, 64) != 0) std::abort();
    thread_ = std::thread([this] { serve(); });
  }
  ~PolicyService() {
    ending_ = true;
    thread_.join();
    close(fd_);
    if (!path_.empty()) unlink(path_.c_str());
  }
  std::string address() const {
    if (!path_.empty()) return "unix:" + path_;
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return "inet:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  std::vector<std::string> requests() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }
  int connections() const { return connections_; }
  // Closes the connections that are open now, as a service does that was idle for too long.
  void close_all() {
    closing_ = true;
    while (closing_) std::this_thread::yield();
  }

 private:
  struct Client {
    int fd;
    std::string text;
  };
  static int make(const std::string& path) {
    if (path.empty()) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? fd : -1;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? fd : -1;
  }
  void serve() {
    while (!ending_) {
      std::vector<pollfd> fds = {{fd_, POLLIN, 0}};
      for (const Client& client : clients_) fds.push_back({client.fd, POLLIN, 0});
      poll(fds.data(), fds.size(), 2);
      if (closing_) {
        drop_all();
        closing_ = false;
        continue;
      }
      if (fds[0].revents != 0) {
        clients_.push_back({accept(fd_, nullptr, nullptr), {}});
        ++connections_;
      }
      for (size_t i = 0; i < clients_.size();) i += read_from(clients_[i]) ? 1 : drop(i);
    }
    drop_all();
  }
  size_t drop(size_t i) {
    close(clients_[i].fd);
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
    return 0;
  }
  void drop_all() {
    while (!clients_.empty()) drop(0);
  }
  // False: the connection is over.
  bool read_from(Client& client) {
    char buffer[4096];
    const ssize_t count = recv(client.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count == 0) return false;
    if (count > 0) client.text.append(buffer, static_cast<size_t>(count));
    const size_t end = client.text.find("\n\n");
    if (end == std::string::npos) return true;
    const std::string request = client.text.substr(0, end + 1);
    client.text.erase(0, end + 2);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      requests_.push_back(request);
    }
    const Answer answer = handler_(request);
    // The peer may be gone; what of the answer arrives is not the test's concern here.
    (void)!send(client.fd, answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL);
    return !answer.closes;
  }

  Handler handler_;
  std::string path_;
  int fd_;
  std::vector<Client> clients_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<int> connections_{0};
  std::atomic<bool> ending_{false}, closing_{false};
  std::thread thread_;
};

}  // namespace lsmtpd::policy
