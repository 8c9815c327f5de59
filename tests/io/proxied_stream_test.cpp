// SPDX-License-Identifier: Apache-2.0
// The stream behind a PROXY header: the octets that came with the header come first, once, and only
// when they are wanted. stream_test.cpp holds the whole contract against it.
#include "io/proxied_stream.hpp"

#include <gtest/gtest.h>

#include "memory_stream.hpp"
#include "run_loop.hpp"

namespace lsmtpd::io {
namespace {

struct Owner final : Stream::Handler {
  void on_read(std::string_view bytes) override {
    read += bytes;
    ++reads;
    if (on_bytes) on_bytes();
  }
  void on_end(Stream::End) override { ++ends; }
  void on_drained() override {}
  void on_closed() override { stream.reset(); }
  std::unique_ptr<Stream> stream;
  std::string read;
  std::function<void()> on_bytes;
  int reads = 0, ends = 0;
};

class ProxiedStreamTest : public testing::Test {
 protected:
  void make(std::string_view first) {
    auto [below, client] = test::make_memory_stream(loop_);
    client_ = client;
    owner_.stream = std::make_unique<ProxiedStream>(
        loop_, std::move(below), Endpoint{"2001:db8::1", 4711}, Endpoint{"2001:db8::2", 25}, first);
    owner_.stream->set_handler(owner_);
  }
  ~ProxiedStreamTest() override {
    owner_.stream.reset();
    test::turn(loop_, 2);
  }
  bool eventually(const std::function<bool()>& condition) {
    return test::run_until(loop_, condition);
  }

  Loop loop_;
  std::shared_ptr<test::MemoryClient> client_;
  Owner owner_;
};

TEST_F(ProxiedStreamTest, ItsAddressesAreTheHeaders) {
  make("");
  EXPECT_EQ(owner_.stream->peer().text(), "[2001:db8::1]:4711");
  EXPECT_EQ(owner_.stream->local().text(), "[2001:db8::2]:25");
}

TEST_F(ProxiedStreamTest, TheFirstOctetsComeFirstAndOnce) {
  make("EHLO ");
  EXPECT_TRUE(owner_.stream->has_unread_bytes());
  client_->send("client\r\n");
  test::turn(loop_);
  EXPECT_EQ(owner_.read, "") << "nothing is delivered before read_start()";
  owner_.stream->read_start();
  EXPECT_EQ(owner_.read, "") << "nor from inside it";
  EXPECT_TRUE(eventually([&] { return owner_.read == "EHLO client\r\n"; }));
  EXPECT_FALSE(owner_.stream->has_unread_bytes());
  owner_.stream->read_stop();
  owner_.stream->read_start();
  test::turn(loop_, 2);
  EXPECT_EQ(owner_.read, "EHLO client\r\n");
}

TEST_F(ProxiedStreamTest, StoppedReadingHoldsThemBack) {
  make("first");
  owner_.stream->read_start();
  owner_.stream->read_stop();
  test::turn(loop_, 2);
  EXPECT_EQ(owner_.read, "");
  owner_.on_bytes = [&] { owner_.stream->read_stop(); };
  owner_.stream->read_start();
  client_->send("second");
  EXPECT_TRUE(eventually([&] { return owner_.read == "first"; }));
  test::turn(loop_, 2);
  EXPECT_EQ(owner_.read, "first") << "read_stop() inside is obeyed";
}

TEST_F(ProxiedStreamTest, TheEndComesBehindThem) {
  make("QUIT\r\n");
  client_->finish();
  test::turn(loop_);
  owner_.stream->read_start();
  EXPECT_TRUE(eventually([&] { return owner_.ends == 1; }));
  EXPECT_EQ(owner_.read, "QUIT\r\n");
}

TEST_F(ProxiedStreamTest, MayBeDestroyedWhileItDelivers) {
  make("QUIT\r\n");
  owner_.on_bytes = [&] { owner_.stream.reset(); };
  owner_.stream->read_start();
  EXPECT_TRUE(eventually([&] { return owner_.reads == 1; }));
  test::turn(loop_, 2);
}

TEST_F(ProxiedStreamTest, DestroyedBeforeItDeliversItDeliversNothing) {
  make("QUIT\r\n");
  owner_.stream->read_start();
  owner_.stream.reset();
  test::turn(loop_, 2);
  EXPECT_EQ(owner_.reads, 0);
}

TEST_F(ProxiedStreamTest, ClosedItDeliversNothing) {
  make("QUIT\r\n");
  owner_.stream->read_start();
  owner_.stream->close_when_sent(false);
  EXPECT_TRUE(eventually([&] { return owner_.stream == nullptr; }));
  EXPECT_EQ(owner_.reads, 0);
}

}  // namespace
}  // namespace lsmtpd::io
