// SPDX-License-Identifier: Apache-2.0
// The contract of io/stream.hpp, held against the stream in memory that other tests use, and
// against one that stands above it.
#include "io/stream.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "io/proxied_stream.hpp"
#include "memory_stream.hpp"
#include "record_stream.hpp"
#include "run_loop.hpp"

namespace lsmtpd::io {
namespace {

using test::as_records;
using test::run_until;
using test::turn;

struct Owner final : Stream::Handler {
  void on_read(std::string_view bytes) override {
    read += bytes;
    if (on_bytes) on_bytes();
  }
  void on_end(Stream::End how) override {
    ++ends;
    end = how;
  }
  void on_drained() override { ++drained; }
  void on_closed() override {
    ++closed;
    stream.reset();
  }
  void own(std::unique_ptr<Stream> taken) {
    stream = std::move(taken);
    stream->set_handler(*this);
  }
  std::unique_ptr<Stream> stream;
  std::string read;
  std::function<void()> on_bytes;
  int ends = 0, drained = 0, closed = 0;
  Stream::End end = Stream::End::broken;
};

enum class Kind { below, above, proxied };

// `above`: content goes in records.
class StreamTest : public testing::TestWithParam<Kind> {
 protected:
  StreamTest() {
    auto [stream, client] = test::make_memory_stream(loop_);
    client_ = client;
    if (records()) {
      owner_.own(std::make_unique<test::RecordStream>(loop_, std::move(stream)));
    } else if (GetParam() == Kind::proxied) {
      owner_.own(std::make_unique<ProxiedStream>(loop_, std::move(stream), Endpoint{}, Endpoint{},
                                                 std::string_view{}));
    } else {
      owner_.own(std::move(stream));
    }
  }
  ~StreamTest() override {
    owner_.stream.reset();
    turn(loop_, 2);
  }
  bool records() const { return GetParam() == Kind::above; }
  void send(std::string_view content) {
    client_->send(records() ? as_records(content) : std::string(content));
  }
  void say_goodbye() {
    if (records()) client_->send(test::goodbye_record());
    client_->finish();
  }
  std::string received() {
    records_ += client_->take();
    return records() ? test::content_of_records(records_) : std::exchange(records_, {});
  }
  bool eventually(const std::function<bool()>& condition) { return run_until(loop_, condition); }

  Loop loop_;
  std::shared_ptr<test::MemoryClient> client_;
  Owner owner_;
  std::string records_;
};

INSTANTIATE_TEST_SUITE_P(Layers, StreamTest,
                         testing::Values(Kind::below, Kind::above, Kind::proxied),
                         [](const auto& layer) {
                           return layer.param == Kind::below   ? "Below"
                                  : layer.param == Kind::above ? "Above"
                                                               : "Proxied";
                         });

TEST_P(StreamTest, ContentGoesBothWays) {
  owner_.stream->read_start();
  send("hello");
  EXPECT_TRUE(eventually([&] { return owner_.read == "hello"; }));
  owner_.stream->write("good day");
  EXPECT_EQ(owner_.stream->unsent(), 0u);
  EXPECT_EQ(received(), "good day");
  EXPECT_EQ(owner_.drained, 0);
}

// A read stopped in the middle of decoded octets must resume without more octets from the socket.
TEST_P(StreamTest, ReadingResumedDeliversWhatWasHeldBackWithoutMoreInput) {
  owner_.on_bytes = [&] { owner_.stream->read_stop(); };
  owner_.stream->read_start();
  const std::string much(2 * Loop::kReadBuffer, 'x');
  send(much);
  EXPECT_TRUE(eventually([&] { return !owner_.read.empty(); }));
  turn(loop_);
  const size_t first = owner_.read.size();
  EXPECT_LE(first, Loop::kReadBuffer);
  EXPECT_TRUE(owner_.stream->has_unread_bytes());
  while (owner_.read.size() < much.size()) {
    const size_t before = owner_.read.size();
    owner_.stream->read_start();
    ASSERT_TRUE(eventually([&] { return owner_.read.size() > before; }));
    EXPECT_LE(owner_.read.size() - before, Loop::kReadBuffer) << "read_stop() inside is obeyed";
  }
  EXPECT_EQ(owner_.read, much);
}

TEST_P(StreamTest, TheEndComesAfterTheLastOctet) {
  owner_.on_bytes = [&] { owner_.stream->read_stop(); };
  owner_.stream->read_start();
  send("first");
  EXPECT_TRUE(eventually([&] { return owner_.read == "first"; }));
  send("second");
  say_goodbye();
  turn(loop_);
  EXPECT_EQ(owner_.ends, 0);
  owner_.on_bytes = nullptr;
  owner_.stream->read_start();
  EXPECT_TRUE(eventually([&] { return owner_.ends == 1; }));
  EXPECT_EQ(owner_.read, "firstsecond");
  EXPECT_EQ(owner_.end, Stream::End::goodbye);
}

TEST_P(StreamTest, UnsentCountsWhatIsKeptOnAllLevels) {
  client_->room = 10;
  owner_.stream->write(std::string(1000, 'x'));
  EXPECT_GE(owner_.stream->unsent(), 990u);
  turn(loop_);
  EXPECT_EQ(owner_.drained, 0);
  std::string all = received();
  EXPECT_TRUE(eventually([&] { return all += received(), owner_.drained == 1; }));
  EXPECT_EQ(owner_.stream->unsent(), 0u);
  all += received();
  EXPECT_EQ(all, std::string(1000, 'x'));
}

TEST_P(StreamTest, ClosesOnceAfterAllIsSent) {
  client_->room = 3;
  owner_.stream->write("the last reply");
  owner_.stream->close_when_sent(false);
  turn(loop_);
  EXPECT_EQ(owner_.closed, 0);
  std::string all;
  EXPECT_TRUE(eventually([&] { return all += received(), owner_.closed == 1; }));
  all += received();
  EXPECT_EQ(all, "the last reply");
  EXPECT_EQ(owner_.drained, 0);
}

TEST_P(StreamTest, ReportsABrokenConnection) {
  owner_.stream->read_start();
  client_->abort();
  EXPECT_TRUE(eventually([&] { return owner_.ends == 1; }));
  EXPECT_EQ(owner_.end, Stream::End::broken);
}

class LayeredStreamTest : public StreamTest {};
INSTANTIATE_TEST_SUITE_P(Layers, LayeredStreamTest, testing::Values(Kind::above));

TEST_P(LayeredStreamTest, AnEndBelowWithoutAGoodbyeIsSilent) {
  owner_.stream->read_start();
  send("half a");
  client_->finish();
  EXPECT_TRUE(eventually([&] { return owner_.ends == 1; }));
  EXPECT_EQ(owner_.read, "half a");
  EXPECT_EQ(owner_.end, Stream::End::silent);
}

TEST_P(LayeredStreamTest, OctetsThatAreNoContentYetAreNotUnread) {
  owner_.on_bytes = [&] { owner_.stream->read_stop(); };
  owner_.stream->read_start();
  client_->send(as_records("content").substr(0, 3));
  turn(loop_);
  EXPECT_FALSE(owner_.stream->has_unread_bytes());
  EXPECT_EQ(owner_.read, "");
}

// As STARTTLS does it.
TEST(StreamUpgrade, TakesAStreamOverInTheMiddleOfARead) {
  Loop loop;
  auto ends = test::make_memory_stream(loop);
  const auto& client = ends.client;  // a lambda of clang 14 captures no structured binding
  Owner owner;
  owner.own(std::move(ends.stream));
  owner.stream->read_start();
  owner.on_bytes = [&] {
    owner.on_bytes = nullptr;
    owner.stream->write("go ahead");
    owner.own(std::make_unique<test::RecordStream>(loop, std::move(owner.stream)));
    owner.stream->read_start();
  };
  client->send("STARTTLS, and what an attacker put behind it");
  EXPECT_TRUE(run_until(loop, [&] { return client->written == "go ahead"; }));
  owner.read.clear();  // that call's octets are to be thrown away
  client->send(as_records("secret"));
  EXPECT_TRUE(run_until(loop, [&] { return owner.read == "secret"; }));
  EXPECT_EQ(owner.stream->peer().address, "192.0.2.1");
  owner.stream.reset();
  turn(loop, 2);
}

}  // namespace
}  // namespace lsmtpd::io
