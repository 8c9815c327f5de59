// SPDX-License-Identifier: Apache-2.0
// A DNS server on 127.0.0.1, UDP and TCP on one port, on a thread of its own. The test says what it
// answers to each question; nothing it sends is checked, so that it can lie.
//
//     DnsServer server([](const DnsServer::Query& query) {
//       return std::vector{DnsServer::reply(query).record("a.example", 1, 60,
//       "\x7f\0\0\2"s).octets()};
//     });
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace lsmtpd::test {

inline std::string big_endian(uint32_t value, int octets) {
  std::string out;
  for (int i = octets - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// "a.example" as labels.
inline std::string dns_name(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto label = text.substr(0, text.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    text.remove_prefix(std::min(text.size(), label.size() + 1));
  }
  return out + '\0';
}

class DnsReply {
 public:
  DnsReply(std::string id, std::string question)
      : id_(std::move(id)), question_(std::move(question)) {}
  DnsReply& rcode(uint32_t code) {
    flags_ = (flags_ & ~0xfu) | code;
    return *this;
  }
  DnsReply& truncated() {
    flags_ |= 0x200;
    return *this;
  }
  DnsReply& id(std::string other) {
    id_ = std::move(other);
    return *this;
  }
  DnsReply& record(std::string_view owner, uint16_t type, uint32_t ttl, const std::string& data) {
    ++answers_;
    answer_ += one(owner, type, ttl, data);
    return *this;
  }
  DnsReply& soa(std::string_view owner, uint32_t ttl, uint32_t minimum) {
    ++authorities_;
    std::string data =
        dns_name("ns." + std::string(owner)) + dns_name("mail." + std::string(owner));
    for (const uint32_t field : {1u, 7200u, 600u, 86400u, minimum}) data += big_endian(field, 4);
    authority_ += one(owner, 6, ttl, data);
    return *this;
  }
  std::string octets() const {
    return id_ + big_endian(flags_, 2) + big_endian(1, 2) + big_endian(answers_, 2) +
           big_endian(authorities_, 2) + big_endian(0, 2) + question_ + answer_ + authority_;
  }

 private:
  static std::string one(std::string_view owner, uint16_t type, uint32_t ttl,
                         const std::string& data) {
    return dns_name(owner) + big_endian(type, 2) + big_endian(1, 2) + big_endian(ttl, 4) +
           big_endian(static_cast<uint32_t>(data.size()), 2) + data;
  }
  std::string id_, question_, answer_, authority_;
  uint32_t flags_ = 0x8180, answers_ = 0, authorities_ = 0;
};

class DnsServer {
 public:
  struct Query {
    std::string id;        // two octets
    std::string question;  // as it came
    std::string name;      // in lower case
    uint32_t type = 0;
    bool tcp = false;
  };
  using Answers = std::function<std::vector<std::string>(const Query&)>;

  explicit DnsServer(Answers answers) : answers_(std::move(answers)) {
    for (int tries = 0; tries < 20 && !bind_both(); ++tries) {
    }
    if (port_ == 0) throw std::runtime_error("no port");
    thread_ = std::thread([this] { run(); });
  }
  ~DnsServer() {
    (void)!::write(wake_[1], "x", 1);
    thread_.join();
    for (const int fd : {udp_, tcp_, wake_[0], wake_[1]}) ::close(fd);
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  static DnsReply reply(const Query& query) { return {query.id, query.question}; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int asked() const { return asked_; }
  int asked_by_tcp() const { return asked_by_tcp_; }

 private:
  bool bind_both() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(udp_, address, size) == 0 && ::getsockname(udp_, address, &size) == 0 &&
        ::bind(tcp_, address, size) == 0 && ::listen(tcp_, 16) == 0 && ::pipe(wake_) == 0) {
      port_ = ntohs(at.sin_port);
      return true;
    }
    ::close(udp_);
    ::close(tcp_);
    return false;
  }

  static Query parse(const std::string& message, bool tcp) {
    Query query;
    query.tcp = tcp;
    if (message.size() < 17) return query;
    query.id = message.substr(0, 2);
    size_t at = 12;
    while (at < message.size() && message[at] != 0) {
      const size_t length = static_cast<unsigned char>(message[at]);
      if (!query.name.empty()) query.name += '.';
      for (const char c : message.substr(at + 1, length))
        query.name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      at += length + 1;
    }
    query.question = message.substr(12, at + 5 - 12);
    query.type = static_cast<unsigned char>(message.at(at + 1)) * 256u +
                 static_cast<unsigned char>(message.at(at + 2));
    return query;
  }

  void run() {
    for (;;) {
      pollfd fds[3] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
      if (::poll(fds, 3, -1) < 0) continue;
      if (fds[2].revents) return;
      if (fds[0].revents) serve_udp();
      if (fds[1].revents) serve_tcp();
    }
  }
  void serve_udp() {
    char buffer[4096];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = ::recvfrom(udp_, buffer, sizeof buffer, 0, address, &size);
    if (n <= 0) return;
    ++asked_;
    for (const auto& answer : answers_(parse(std::string(buffer, static_cast<size_t>(n)), false)))
      (void)::sendto(udp_, answer.data(), answer.size(), 0, address, size);
  }
  void serve_tcp() {
    const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
    const timeval patience{2, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    unsigned char length[2];
    char buffer[4096];
    if (::recv(fd, length, 2, MSG_WAITALL) == 2) {
      const size_t size = length[0] * 256u + length[1];
      const ssize_t n = size <= sizeof buffer ? ::recv(fd, buffer, size, MSG_WAITALL) : 0;
      if (n > 0) {
        ++asked_by_tcp_;
        for (const auto& answer :
             answers_(parse(std::string(buffer, static_cast<size_t>(n)), true))) {
          const std::string framed = big_endian(static_cast<uint32_t>(answer.size()), 2) + answer;
          (void)::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
        }
      }
    }
    ::close(fd);
  }

  Answers answers_;
  int udp_ = -1, tcp_ = -1, wake_[2] = {-1, -1};
  uint16_t port_ = 0;
  std::atomic<int> asked_{0}, asked_by_tcp_{0};
  std::thread thread_;
};

}  // namespace lsmtpd::test
