// SPDX-License-Identifier: Apache-2.0
// `lsmtpd check --listening` against servers that greet well, badly, late or not at all.
#include "app/listening.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "base/unique_fd.hpp"

namespace lsmtpd::app {
namespace {

using testing::HasSubstr;

// Takes one connection, sends `greeting`, keeps what the client says until it closes.
class Server {
 public:
  explicit Server(std::string greeting)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_.get(), 1), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, text = std::move(greeting)] { serve(text); });
  }
  ~Server() { said(); }

  uint16_t port() const { return port_; }
  // Waits for the client to close.
  const std::string& said() {
    if (thread_.joinable()) thread_.join();
    return said_;
  }

 private:
  void serve(const std::string& greeting) {
    const UniqueFd client(::accept(socket_.get(), nullptr, nullptr));
    (void)::send(client.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
    if (greeting.ends_with("close")) return;
    char buffer[64];
    for (ssize_t count; (count = ::recv(client.get(), buffer, sizeof buffer, 0)) > 0;) {
      said_.append(buffer, static_cast<size_t>(count));
      if (said_ == "QUIT\r\n") (void)::send(client.get(), "221 bye\r\n", 9, MSG_NOSIGNAL);
    }
  }

  UniqueFd socket_;
  uint16_t port_ = 0;
  std::string said_;
  std::thread thread_;
};

TEST(Listening, GreetingIsReadAndAnsweredWithQuit) {
  Server server("220 mx.example ESMTP\r\n");
  const auto greeting = read_greeting("127.0.0.1", server.port(), 5000);
  ASSERT_TRUE(greeting) << greeting.error().message;
  EXPECT_EQ(*greeting, "220 mx.example ESMTP");
  EXPECT_EQ(server.said(), "QUIT\r\n");
}

TEST(Listening, GreetingOfSeveralLinesIsReadToItsEnd) {
  Server server("220-mx.example\r\n220-no\r\n220 spam\r\n");
  EXPECT_EQ(read_greeting("127.0.0.1", server.port(), 5000).value_or(""), "220 spam");
}

TEST(Listening, AnyAddressOfThisMachineIsItsLoopback) {
  for (const char* host : {"0.0.0.0", "*"}) {
    Server server("220 mx.example ESMTP\r\n");
    EXPECT_TRUE(read_greeting(host, server.port(), 5000)) << host;
  }
}

TEST(Listening, ServerThatIsBusyAnswersAllTheSame) {
  Server server("421 4.3.2 too many connections\r\n");
  EXPECT_EQ(read_greeting("127.0.0.1", server.port(), 5000).value_or(""),
            "421 4.3.2 too many connections");
}

TEST(Listening, NothingListensIsAnError) {
  uint16_t port = 0;
  {
    Server server("close");
    port = server.port();
    (void)read_greeting("127.0.0.1", port, 5000);
  }
  const auto greeting = read_greeting("127.0.0.1", port, 5000);
  ASSERT_FALSE(greeting);
  EXPECT_THAT(greeting.error().message, HasSubstr("refused"));
}

TEST(Listening, ServerThatSaysNothingIsAnErrorAtTheDeadline) {
  Server server("");
  const auto start = std::chrono::steady_clock::now();
  const auto greeting = read_greeting("127.0.0.1", server.port(), 200);
  ASSERT_FALSE(greeting);
  EXPECT_THAT(greeting.error().message, HasSubstr("no reply in time"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_EQ(server.said(), "");
}

TEST(Listening, HalfAGreetingIsNoGreeting) {
  Server server("220 mx.exam");
  EXPECT_FALSE(read_greeting("127.0.0.1", server.port(), 200));
}

TEST(Listening, ServerThatClosesAtOnceIsAnError) {
  Server server("220 mx close");
  const auto greeting = read_greeting("127.0.0.1", server.port(), 5000);
  ASSERT_FALSE(greeting);
  EXPECT_THAT(greeting.error().message, HasSubstr("closed"));
}

TEST(Listening, AnotherProtocolIsAnErrorThatShowsItEscaped) {
  Server server("SSH-2.0-\x1b[2J\r\n");
  const auto greeting = read_greeting("127.0.0.1", server.port(), 5000);
  ASSERT_FALSE(greeting);
  EXPECT_THAT(greeting.error().message, HasSubstr("not an SMTP reply: SSH-2.0-\\x1b"));
}

}  // namespace
}  // namespace lsmtpd::app
