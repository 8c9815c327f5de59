// SPDX-License-Identifier: Apache-2.0
// Measures the memory of TLS sessions, which limits.tls_memory counts by TlsStream::kIdleCost and
// kHandshakeCost: OpenSSL's own part of it, by the functions that it takes memory with.
#include <openssl/crypto.h>

#include <malloc.h>
#include <stdlib.h>

#include <atomic>
#include <vector>

#include "io/tls_stream.hpp"
#include "memory_stream.hpp"
#include "run_loop.hpp"
#include "tls_peer.hpp"

namespace lsmtpd::io {
namespace {

uint64_t allocated() {
  return ::mallinfo2().uordblks;
}

struct Ignore final : Stream::Handler {
  void on_read(std::string_view) override {}
  void on_end(Stream::End) override {}
  void on_drained() override {}
  void on_closed() override {}
};

// Sessions of the server without those of their clients, which are gone or have been made before.
class TlsMemory : public testing::TestWithParam<int> {
 protected:
  static constexpr size_t kCount = 50;

  struct One {
    std::unique_ptr<test::TlsPeer> peer;
    std::shared_ptr<test::MemoryClient> client;
    std::unique_ptr<Stream> stream;
    Ignore handler;
    bool done = false;
  };

  void serve(One& one) {
    auto [stream, client] = test::make_memory_stream(loop_);
    one.client = client;
    auto below = std::make_shared<std::unique_ptr<test::MemoryStream>>(std::move(stream));
    test::on_loop(loop_, [this, &one, below] {
      one.stream = std::make_unique<TlsStream>(
          loop_, turns_, std::move(*below),
          TlsStream::Settings{.context = context_,
                              .hold = [](uint64_t) { return true; },
                              .done =
                                  [&one](Result<TlsStream::Facts> facts) {
                                    one.done = facts.has_value();
                                    if (one.done) one.stream->read_start();
                                  }});
      one.stream->set_handler(one.handler);
    });
  }
  void carry(One& one) {
    for (std::string up = one.peer->give(); !up.empty(); up = one.peer->give()) {
      one.client->send(up);
      for (int i = 0; i < 4; ++i) test::on_loop(loop_, [] {});
      one.peer->take(one.client->take());
    }
  }

  // The stream in memory keeps its buffers, which are the kernel's where it is a socket's.
  static void forget_carried(One& one) {
    for (std::string* each : {&one.client->unread, &one.client->written}) each->shrink_to_fit();
  }

  test::TemporaryFolder folder_;
  std::shared_ptr<const TlsContext> context_ =
      *TlsContext::load({.certificates = {test::make_certificate(folder_, "mx", {.rsa = true})}});
  Loop loop_;
  TlsTurns turns_{loop_};
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsMemory, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& one) {
                           return one.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(TlsMemory, AnIdleSessionCostsAtMostWhatIsCountedAlsoAfterManyOctets) {
  const uint64_t empty = allocated();
  if (empty == 0) GTEST_SKIP() << "malloc does not count here, as under a sanitizer";
  std::vector<One> all(kCount);
  for (One& one : all) {
    serve(one);
    one.peer = std::make_unique<test::TlsPeer>(test::PeerSettings{.version = GetParam()});
    carry(one);
    ASSERT_TRUE(one.done);
    for (int i = 0; i < 8; ++i) one.peer->send(std::string(16384, 'x'));
    carry(one);
    one.peer.reset();
    forget_carried(one);
  }
  const uint64_t each = (allocated() - empty) / kCount;
  std::printf("an idle session: %.1f KiB\n", static_cast<double>(each) / 1024);
  RecordProperty("octets", static_cast<int>(each));
  EXPECT_LE(each, TlsStream::kIdleCost);
  EXPECT_GE(each, TlsStream::kIdleCost / 3) << "it is counted with far too much";
}

TEST_P(TlsMemory, AHalfHandshakeCostsAtMostWhatIsCounted) {
  if (allocated() == 0) GTEST_SKIP() << "malloc does not count here, as under a sanitizer";
  std::vector<One> all(kCount);
  std::vector<std::string> hellos;
  for (size_t i = 0; i < kCount; ++i)
    hellos.push_back(test::TlsPeer({.version = GetParam()}).give());
  const uint64_t empty = allocated();
  for (size_t i = 0; i < kCount; ++i) {
    serve(all[i]);
    all[i].client->send(hellos[i]);
    for (int turn = 0; turn < 4; ++turn) test::on_loop(loop_, [] {});
    all[i].client->take();
    forget_carried(all[i]);
  }
  test::turn(loop_, 50);  // those that had to wait for their turn
  const uint64_t each = (allocated() - empty) / kCount;
  std::printf("a half handshake: %.1f KiB\n", static_cast<double>(each) / 1024);
  EXPECT_LE(each, TlsStream::kHandshakeCost);
}

}  // namespace
}  // namespace lsmtpd::io
