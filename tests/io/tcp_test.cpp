// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "io/socket_binding.hpp"
#include "io/tcp_listener.hpp"
#include "run_loop.hpp"

namespace lsmtpd::io {
namespace {

using test::run_until;
using test::turn;

// A client on a non-blocking socket of its own, driven by the test.
class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer)
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void send(std::string_view text) {
    EXPECT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Takes what has come, without waiting.
  const std::string& receive(size_t most = SIZE_MAX) {
    char buffer[65536];
    while (most > 0) {
      const ssize_t n = ::recv(fd_.get(), buffer, std::min(most, sizeof buffer), MSG_DONTWAIT);
      if (n == 0) ended_ = true;
      if (n < 0 && errno == ECONNRESET) reset_ = true;
      if (n <= 0) break;
      received_.append(buffer, static_cast<size_t>(n));
      most -= static_cast<size_t>(n);
    }
    return received_;
  }
  bool ended() { return receive(), ended_; }
  bool was_reset() { return receive(), reset_; }
  void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void abort() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }

 private:
  UniqueFd fd_;
  std::string received_;
  bool ended_ = false, reset_ = false;
};

// The owner of a stream, as a Connection is one.
struct Owner final : Stream::Handler {
  explicit Owner(std::unique_ptr<TcpStream> s) : stream(std::move(s)) {
    stream->set_handler(*this);
  }
  void on_read(std::string_view bytes) override {
    read += bytes;
    if (on_bytes) on_bytes();
  }
  void on_end(Stream::End end) override {
    ++ends;
    clean_end = end == Stream::End::goodbye;
    if (close_at_end) stream->close();
  }
  void on_drained() override { ++drained; }
  void on_closed() override {
    ++closed;
    stream.reset();
  }
  std::unique_ptr<TcpStream> stream;
  std::string read;
  std::function<void()> on_bytes;
  int ends = 0, drained = 0, closed = 0;
  bool clean_end = false, close_at_end = true;
};

class TcpTest : public testing::Test {
 protected:
  TcpTest() {
    auto socket = bind_tcp("127.0.0.1", 0);
    EXPECT_TRUE(socket);
    port_ = local_endpoint(socket->get()).port;
    auto opened =
        Listener::open(loop_, std::move(*socket), [this](std::unique_ptr<TcpStream> stream) {
          accepted_ = std::make_unique<Owner>(std::move(stream));
          accepted_->stream->read_start();
        });
    EXPECT_TRUE(opened);
    listener_ = std::move(*opened);
  }
  Owner& accept(Client&) {
    EXPECT_TRUE(run_until(loop_, [this] { return accepted_ != nullptr; }));
    return *accepted_;
  }
  // More than the kernel takes at once.
  static std::string much() {
    std::string text(8u << 20, '\0');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 257);
    return text;
  }

  Loop loop_;
  uint16_t port_ = 0;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Owner> accepted_;
};

TEST_F(TcpTest, BytesGoBothWays) {
  Client client(port_);
  Owner& owner = accept(client);
  EXPECT_EQ(owner.stream->peer().address, "127.0.0.1");
  EXPECT_NE(owner.stream->peer().port, 0);
  client.send("hello");
  EXPECT_TRUE(run_until(loop_, [&] { return owner.read == "hello"; }));
  owner.stream->write("good day");
  EXPECT_EQ(owner.stream->unsent(), 0u) << "sent at once";
  EXPECT_TRUE(run_until(loop_, [&] { return client.receive() == "good day"; }));
  EXPECT_EQ(owner.drained, 0) << "nothing had to be kept";
}

TEST_F(TcpTest, StoppedStreamReadsNothing) {
  Client client(port_);
  Owner& owner = accept(client);
  owner.stream->read_stop();
  client.send("wait");
  EXPECT_TRUE(run_until(loop_, [&] { return owner.stream->has_unread_bytes(); }));
  turn(loop_);
  EXPECT_EQ(owner.read, "");
  owner.stream->read_start();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.read == "wait"; }));
  EXPECT_FALSE(owner.stream->has_unread_bytes());
}

TEST_F(TcpTest, KeepsUnsentOctetsAndReportsWhenTheyAreSent) {
  Client client(port_, 4096);
  Owner& owner = accept(client);
  const std::string text = much();
  owner.stream->write(std::string_view(text).substr(0, text.size() / 2));
  owner.stream->write(std::string_view(text).substr(text.size() / 2));
  EXPECT_GT(owner.stream->unsent(), 0u);
  turn(loop_);
  EXPECT_EQ(owner.drained, 0);
  EXPECT_TRUE(run_until(loop_, [&] { return client.receive(1u << 20).size() == text.size(); }));
  EXPECT_EQ(client.receive(), text) << "each byte once, in order";
  EXPECT_TRUE(run_until(loop_, [&] { return owner.drained > 0; }));
  EXPECT_EQ(owner.stream->unsent(), 0u);
}

TEST_F(TcpTest, ReportsTheEndAndClosesOnce) {
  Client client(port_);
  Owner& owner = accept(client);
  client.send("bye");
  client.finish_sending();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed > 0; }));
  turn(loop_);
  EXPECT_EQ(owner.read, "bye");
  EXPECT_EQ(owner.ends, 1);
  EXPECT_TRUE(owner.clean_end);
  EXPECT_EQ(owner.closed, 1);
  EXPECT_TRUE(client.ended());
}

TEST_F(TcpTest, ReportsABrokenConnection) {
  Client client(port_);
  Owner& owner = accept(client);
  client.abort();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed > 0; }));
  EXPECT_EQ(owner.ends, 1);
  EXPECT_FALSE(owner.clean_end);
}

TEST_F(TcpTest, AReplyStillReachesAClientThatHasFinishedSending) {
  Client client(port_);
  Owner& owner = accept(client);
  owner.close_at_end = false;
  client.finish_sending();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.ends > 0; }));
  owner.stream->write("250 Ok");
  owner.stream->close_when_sent(false);
  EXPECT_TRUE(run_until(loop_, [&] { return client.ended(); }));
  EXPECT_EQ(client.receive(), "250 Ok");
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; }));
}

TEST_F(TcpTest, ClosesOnlyAfterAllIsSent) {
  Client client(port_, 4096);
  Owner& owner = accept(client);
  const std::string text = much();
  owner.stream->write(text);
  owner.stream->close_when_sent(false);
  owner.stream->write("not any more");
  owner.stream->close_when_sent(true);  // once is enough
  turn(loop_);
  EXPECT_EQ(owner.closed, 0);
  EXPECT_TRUE(run_until(loop_, [&] { return client.receive(1u << 20), client.ended(); }));
  EXPECT_EQ(client.receive(), text);
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; }));
  EXPECT_EQ(owner.drained, 0);
}

// A close while the client's bytes wait unread resets the connection, and the client may never see
// the last reply.
TEST_F(TcpTest, LingersSoThatAClientThatStillSendsReadsTheLastReply) {
  Client client(port_);
  Owner& owner = accept(client);
  owner.on_bytes = [&] {
    owner.on_bytes = nullptr;
    owner.stream->write("554 no");
    owner.stream->close_when_sent(true);
  };
  client.send("first");
  EXPECT_TRUE(run_until(loop_, [&] { return client.ended(); }));
  client.send(std::string(10'000, 'x'));
  turn(loop_, 50);
  EXPECT_EQ(owner.read, "first") << "what comes now is thrown away";
  EXPECT_EQ(owner.closed, 0) << "it waits for the client";
  EXPECT_EQ(client.receive(), "554 no");
  EXPECT_FALSE(client.was_reset());
  client.close();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; }));
}

TEST_F(TcpTest, LingersNotForEver) {
  Client client(port_);
  Owner& owner = accept(client);
  owner.stream->close_when_sent(true);
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; })) << "after kLingerMs";
  turn(loop_);
}

TEST_F(TcpTest, ClosingWhileItLingersEndsIt) {
  Client client(port_);
  Owner& owner = accept(client);
  owner.stream->close_when_sent(true);
  turn(loop_);
  owner.stream->close();
  owner.stream->close();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; }));
}

TEST_F(TcpTest, ClosingDropsWhatIsUnsent) {
  Client client(port_, 4096);
  Owner& owner = accept(client);
  owner.stream->write(much());
  owner.stream->close();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; }));
  turn(loop_);
  EXPECT_EQ(owner.closed, 1);
  EXPECT_EQ(owner.drained, 0);
}

TEST_F(TcpTest, AClientThatGoesWhileThereIsSomethingUnsentEndsIt) {
  Client client(port_, 4096);
  Owner& owner = accept(client);
  owner.stream->read_stop();
  owner.stream->write(much());
  client.abort();
  EXPECT_TRUE(run_until(loop_, [&] { return owner.closed == 1; }))
      << "the write tells, nobody reads";
  EXPECT_EQ(owner.ends, 1);
}

TEST_F(TcpTest, DestroyedStreamCallsNoHandler) {
  Client client(port_, 4096);
  Owner& owner = accept(client);
  client.send("x");
  owner.stream->write(much());
  owner.stream.reset();
  EXPECT_TRUE(run_until(loop_, [&] { return client.ended() || client.was_reset(); }));
  EXPECT_EQ(owner.closed, 0);
  EXPECT_EQ(owner.read, "");
}

TEST_F(TcpTest, AStreamMayBeDestroyedWhileItReads) {
  Client client(port_);
  Owner& owner = accept(client);
  owner.on_bytes = [&] { owner.stream.reset(); };
  client.send("x");
  EXPECT_TRUE(run_until(loop_, [&] { return client.ended() || client.was_reset(); }));
}

TEST_F(TcpTest, StreamThatIsNotTakenIsClosed) {
  std::unique_ptr<Listener> other;
  auto socket = bind_tcp("127.0.0.1", 0);
  const uint16_t port = local_endpoint(socket->get()).port;
  other =
      std::move(*Listener::open(loop_, std::move(*socket), [](std::unique_ptr<TcpStream> stream) {
        stream->write("421 too many\r\n");
      }));
  Client client(port);
  EXPECT_TRUE(run_until(loop_, [&] { return client.ended(); }));
  EXPECT_EQ(client.receive(), "421 too many\r\n");
}

// Both hear of each connection; the first one would take it.
TEST_F(TcpTest, ListenersOfOneSocketTakeTurns) {
  auto socket = bind_tcp("127.0.0.1", 0);
  ASSERT_TRUE(socket);
  ASSERT_EQ(::listen(socket->get(), 16), 0);
  const uint16_t port = local_endpoint(socket->get()).port;
  const auto turns = std::make_shared<AcceptTurns>();
  int taken[2] = {0, 0};
  std::unique_ptr<Listener> listeners[2];
  for (int i = 0; i < 2; ++i) {
    auto shared = share(*socket);
    ASSERT_TRUE(shared);
    auto opened = Listener::open_shared(loop_, std::move(*shared), turns,
                                        [&taken, i](std::unique_ptr<TcpStream>) { ++taken[i]; });
    ASSERT_TRUE(opened);
    listeners[i] = std::move(*opened);
  }
  for (int count = 1; count <= 20; ++count) {
    Client client(port);
    ASSERT_TRUE(run_until(loop_, [&] { return taken[0] + taken[1] == count; }));
  }
  EXPECT_EQ(taken[0], 10);
  EXPECT_EQ(taken[1], 10);
  listeners[1].reset();  // the other takes them all
  for (int count = 21; count <= 30; ++count) {
    Client client(port);
    ASSERT_TRUE(run_until(loop_, [&] { return taken[0] + taken[1] == count; }));
  }
  EXPECT_EQ(taken[0], 20);
}

TEST_F(TcpTest, ConnectionWithoutAListenerIsRefused) {
  listener_.reset();
  turn(loop_);
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

}  // namespace
}  // namespace lsmtpd::io
