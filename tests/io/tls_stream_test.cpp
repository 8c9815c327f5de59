// SPDX-License-Identifier: Apache-2.0
// TLS on a stream in memory, with a client of OpenSSL: the contract of io/stream.hpp, every cut and
// every end.
#include "tls_fixture.hpp"

namespace lsmtpd::io {
namespace {

class TlsStreamTest : public TlsFixture, public testing::WithParamInterface<int> {
 protected:
  PeerSettings peer_settings() const {
    return {.version = GetParam(), .server_name = "mx.example.org"};
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsStreamTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& one) {
                           return one.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(TlsStreamTest, ContentGoesBothWaysAfterTheHandshake) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  ASSERT_TRUE(established());
  EXPECT_EQ(facts_->version, GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
  EXPECT_EQ(facts_->cipher.substr(0, 4), "TLS_");
  EXPECT_EQ(facts_->server_name, "mx.example.org");
  EXPECT_EQ(facts_->client_subject, "");
  peer.send("hello");
  carry(peer);
  EXPECT_EQ(owner_.read, "hello");
  owner_.stream->write("good day");
  EXPECT_EQ(owner_.stream->unsent(), 0u);
  carry(peer);
  EXPECT_EQ(peer.received, "good day");
  EXPECT_EQ(held_, TlsStream::kIdleCost) << "an idle session keeps no octets";
  owner_.stream->close_when_sent(true);
  carry(peer);
  EXPECT_TRUE(peer.goodbye);
  EXPECT_TRUE(client_->lingering);
}

TEST_P(TlsStreamTest, RecordsMayComeOctetByOctet) {
  serve();
  TlsPeer peer(peer_settings());
  const auto trickle = [&] {
    for (std::string up = peer.give(); !up.empty(); up = peer.give()) {
      for (const char octet : up) {
        client_->send({&octet, 1});
        spin();
      }
      const std::string down = client_->take();
      for (const char octet : down) peer.take({&octet, 1});
    }
  };
  trickle();
  ASSERT_TRUE(established());
  for (const char octet : std::string_view("one octet each")) peer.send({&octet, 1});
  trickle();
  EXPECT_EQ(owner_.read, "one octet each");
  EXPECT_EQ(held_, TlsStream::kIdleCost);
}

// The client's octets up to the end of its first content, cut in two at every place.
TEST_P(TlsStreamTest, EveryCutIsTheSame) {
  size_t length = 1;
  for (size_t cut = 0; cut < length; ++cut) {
    serve();
    TlsPeer peer(peer_settings());
    size_t sent = 0;
    const auto send = [&](std::string octets) {
      if (sent <= cut && cut < sent + octets.size()) {
        client_->send(octets.substr(0, cut - sent));
        spin();
        client_->send(octets.substr(cut - sent));
      } else {
        client_->send(octets);
      }
      sent += octets.size();
      spin();
      peer.take(client_->take());
    };
    while (!peer.done()) send(peer.give());
    peer.send("content");
    send(peer.give());
    length = sent;
    ASSERT_TRUE(established()) << "cut at " << cut;
    ASSERT_EQ(owner_.read, "content") << "cut at " << cut;
    owner_.stream.reset();
    owner_.read.clear();
    outcomes_ = 0;
  }
  EXPECT_GT(length, 300u);
}

// The connection ends after any number of octets: there is one outcome, and never a goodbye.
TEST_P(TlsStreamTest, AnEndAnywhereIsToldOnce) {
  bool whole = false;
  size_t last = 0;
  for (; !whole; ++last) {
    serve();
    TlsPeer peer(peer_settings());
    size_t left = last;
    owner_.read.clear();
    const auto send = [&](const std::string& octets) {
      client_->send(octets.substr(0, left));
      left -= std::min(left, octets.size());
      spin();
      peer.take(client_->take());
    };
    while (!peer.done() && left > 0) send(peer.give());
    if (peer.done() && left > 0) {
      peer.send("content");
      send(peer.give());
    }
    whole = left > 0;
    client_->finish();
    spin();
    ASSERT_EQ(outcomes_, 1) << "after " << last;
    if (facts_) {
      ASSERT_EQ(owner_.ends, 1) << "after " << last;
      ASSERT_EQ(owner_.end, Stream::End::silent);
    } else {
      ASSERT_EQ(owner_.ends, 0) << "after " << last;
      ASSERT_EQ(facts_.error().message, "the client left");
    }
    owner_.stream.reset();
    owner_.ends = outcomes_ = 0;
  }
  EXPECT_EQ(owner_.read, "content");
  EXPECT_GT(last, 300u);
}

TEST_P(TlsStreamTest, ACloseNotifyIsAGoodbyeAfterTheLastOctet) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  owner_.on_bytes = [&] { owner_.stream->read_stop(); };
  peer.send("first");
  carry(peer);
  peer.send("second");
  peer.say_goodbye();
  client_->send(peer.give());
  client_->finish();
  test::turn(loop_);
  EXPECT_EQ(owner_.read, "first");
  EXPECT_EQ(owner_.ends, 0);
  owner_.on_bytes = nullptr;
  owner_.stream->read_start();
  test::turn(loop_);
  EXPECT_EQ(owner_.read, "firstsecond");
  EXPECT_EQ(owner_.ends, 1);
  EXPECT_EQ(owner_.end, Stream::End::goodbye);
}

// A plugin on the same thread may leave errors in OpenSSL's queue.
TEST_P(TlsStreamTest, ErrorsThatOtherCodeLeftDoNotEndASession) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  const auto exchange = [&](std::string_view content) {
    if (!content.empty()) peer.send(content);
    const std::string octets = peer.give();
    ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
    client_->send(octets);
    spin();
  };
  exchange("hello");
  // A message without content: OpenSSL answers that it wants more.
  if (GetParam() == TLS1_3_VERSION) SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
  exchange(" again");
  EXPECT_EQ(owner_.read, "hello again");
  EXPECT_EQ(owner_.ends, 0);
  peer.say_goodbye();
  exchange("");
  EXPECT_EQ(owner_.ends, 1);
  EXPECT_EQ(owner_.end, Stream::End::goodbye);
  ERR_clear_error();
}

TEST_P(TlsStreamTest, ReadingResumedDeliversWhatWasHeldBackWithoutMoreInput) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  owner_.on_bytes = [&] { owner_.stream->read_stop(); };
  const std::string much(100'000, 'x');
  peer.send(much);
  client_->send(peer.give());
  test::turn(loop_);
  EXPECT_EQ(owner_.read.size(), owner_.largest) << "no more after the read_stop() inside";
  EXPECT_TRUE(owner_.stream->has_unread_bytes());
  EXPECT_GT(held_, TlsStream::kIdleCost) << "what waits is counted";
  while (owner_.read.size() < much.size()) {
    const size_t before = owner_.read.size();
    owner_.stream->read_start();
    test::turn(loop_, 3);
    ASSERT_GT(owner_.read.size(), before);
  }
  EXPECT_EQ(owner_.read, much);
  EXPECT_LE(owner_.largest, Loop::kReadBuffer);
  EXPECT_EQ(held_, TlsStream::kIdleCost);
}

TEST_P(TlsStreamTest, HalfARecordCostsItsOctetsAndIsNotUnread) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  peer.send(std::string(10'000, 'x'));
  const std::string record = peer.give();
  client_->send(record.substr(0, 5000));
  test::turn(loop_);
  EXPECT_FALSE(owner_.stream->has_unread_bytes());
  EXPECT_EQ(owner_.read, "");
  EXPECT_GE(held_, TlsStream::kIdleCost + 4096);
  EXPECT_LE(held_, TlsStream::kIdleCost + 10'000);
  client_->send(record.substr(5000));
  test::turn(loop_);
  EXPECT_EQ(owner_.read.size(), 10'000u);
}

TEST_P(TlsStreamTest, UnsentCountsWhatTheStreamBelowKeeps) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  client_->room = 10;
  owner_.stream->write(std::string(1000, 'x'));
  EXPECT_GE(owner_.stream->unsent(), 990u);
  test::turn(loop_);
  EXPECT_EQ(owner_.drained, 0);
  client_->room = std::string::npos;
  carry(peer);
  EXPECT_EQ(owner_.drained, 1);
  EXPECT_EQ(peer.received, std::string(1000, 'x'));
}

TEST_P(TlsStreamTest, ABrokenRecordEndsTheConnection) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  peer.send("hello");
  std::string record = peer.give();
  record.back() = static_cast<char>(~record.back());
  client_->send(record);
  test::turn(loop_);
  EXPECT_EQ(owner_.read, "");
  EXPECT_EQ(owner_.ends, 1);
  EXPECT_EQ(owner_.end, Stream::End::broken);
}

TEST_P(TlsStreamTest, WithoutRoomForWhatWaitsTheConnectionEnds) {
  serve();
  TlsPeer peer(peer_settings());
  carry(peer);
  most_ = TlsStream::kIdleCost + 4096;
  peer.send(std::string(16'000, 'x'));
  client_->send(peer.give().substr(0, 8000));
  test::turn(loop_);
  EXPECT_EQ(owner_.end, Stream::End::broken);
  EXPECT_EQ(owner_.ends, 1);
  EXPECT_EQ(held_, 0u);
}

TEST_P(TlsStreamTest, ClientCertificatesAreRequestedAndVerified) {
  const TlsFiles good = test::make_certificate(*folder_, "client", {.names = {}}, files_);
  const TlsFiles other = test::make_certificate(*folder_, "other", {.names = {}});
  struct Case {
    ClientCertificate wanted;
    const TlsFiles* shown;
    bool passes, verified;
  };
  for (const Case& each : {Case{ClientCertificate::none, &good, true, false},
                           Case{ClientCertificate::request, nullptr, true, false},
                           Case{ClientCertificate::request, &other, true, false},
                           Case{ClientCertificate::request, &good, true, true},
                           Case{ClientCertificate::require, nullptr, false, false},
                           Case{ClientCertificate::require, &other, false, false},
                           Case{ClientCertificate::require, &good, true, true}}) {
    serve(each.wanted);
    PeerSettings settings = peer_settings();
    settings.certificate = each.shown;
    TlsPeer peer(settings);
    carry(peer);
    EXPECT_EQ(established(), each.passes);
    if (each.passes) {
      EXPECT_EQ(facts_->client_verified, each.verified);
      const bool asked = each.wanted != ClientCertificate::none && each.shown;
      EXPECT_EQ(facts_->client_subject, !asked                ? ""
                                        : each.shown == &good ? "CN=client"
                                                              : "CN=other");
      EXPECT_EQ(facts_->client_sha256.size(), asked ? 64u : 0u);
    } else {
      EXPECT_EQ(outcomes_, 1);
      EXPECT_TRUE(peer.failed) << "there was an alert";
    }
    owner_.stream.reset();
    outcomes_ = 0;
  }
}

// A turn without time for even one handshake: each turn has one.
TEST_P(TlsStreamTest, HandshakesWaitForTheirTurnAndAllComeToTheirEnd) {
  TlsTurns turns(loop_, 1);
  constexpr int kMany = 10;
  int done = 0;
  std::vector<std::unique_ptr<TlsPeer>> peers;
  std::vector<std::shared_ptr<test::MemoryClient>> clients;
  std::vector<std::unique_ptr<TlsStream>> streams;
  std::vector<uint64_t> turns_of_outcomes;
  test::on_loop(loop_, [&] {
    for (int i = 0; i < kMany; ++i) {
      auto [stream, client] = test::make_memory_stream(loop_);
      peers.push_back(std::make_unique<TlsPeer>(peer_settings()));
      clients.push_back(client);
      client->send(peers.back()->give());
      streams.push_back(std::make_unique<TlsStream>(
          loop_, turns, std::move(stream),
          TlsStream::Settings{.context = *context_,
                              .hold = [](uint64_t) { return true; },
                              .done =
                                  [&](const Result<TlsStream::Facts>& facts) {
                                    done += facts.has_value();
                                    turns_of_outcomes.push_back(loop_.turn());
                                  }}));
      streams.back()->set_handler(owner_);
    }
  });
  streams[3].reset();  // while it waits
  EXPECT_TRUE(test::run_until(loop_, [&] {
    for (int i = 0; i < kMany; ++i) {
      peers[i]->take(clients[i]->take());
      const std::string up = peers[i]->give();
      if (!up.empty()) clients[i]->send(up);
    }
    return done == kMany - 1;
  }));
  streams.clear();
  test::turn(loop_, 2);
}

}  // namespace
}  // namespace lsmtpd::io
