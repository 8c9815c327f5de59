// SPDX-License-Identifier: Apache-2.0
// Hostile clients of TLS, on a stream in memory.
#include "tls_fixture.hpp"

namespace lsmtpd::io {
namespace {

using TlsHostile = TlsFixture;

TEST_F(TlsHostile, OctetsThatAreNoTlsGetAnAlert) {
  for (const std::string& sent :
       {std::string("EHLO client.example\r\n"), std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("\x16\x03\x01\xff\xff", 5) + std::string(100, 'x'), std::string(6, '\0'),
        std::string("\x80\x2e\x01\x03\x01", 5) + std::string(100, 'x')}) {
    serve();
    client_->send(sent);
    test::turn(loop_);
    EXPECT_EQ(outcomes_, 1) << sent;
    EXPECT_FALSE(facts_.has_value());
    outcomes_ = 0;
    owner_.stream->close_when_sent(true);
    test::turn(loop_);
    owner_.stream.reset();
  }
}

// OpenSSL would reserve 128 KiB as soon as the length is there.
TEST_F(TlsHostile, AHandshakeMessageThatIsAnnouncedAsVeryLongIsRefused) {
  for (const bool in_pieces : {false, true}) {
    serve();
    const std::string header("\x01\x01\xff\xff", 4);  // ClientHello, 131071 octets
    if (in_pieces) {
      for (const char octet : header) client_->send(std::string("\x16\x03\x01\x00\x01", 5) + octet);
    } else {
      client_->send(std::string("\x16\x03\x01\x00\x04", 5) + header);
    }
    test::turn(loop_);
    EXPECT_EQ(outcomes_, 1);
    ASSERT_FALSE(facts_.has_value());
    EXPECT_EQ(facts_.error().message, "a message of the handshake is too long");
    outcomes_ = 0;
    owner_.stream.reset();
  }
}

TEST_F(TlsHostile, KeyUpdatesWithoutEndAreRefused) {
  serve();
  TlsPeer peer;
  carry(peer);
  for (int i = 0; i < 10; ++i) {
    SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(peer.ssl());
    carry(peer);
  }
  peer.send("a few are fine");
  carry(peer);
  EXPECT_EQ(owner_.read, "a few are fine");
  for (uint32_t i = 0; i < TlsStream::kMostOwnMessages; ++i) {
    SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(peer.ssl());
  }
  carry(peer);
  EXPECT_EQ(owner_.ends, 1);
  EXPECT_EQ(owner_.end, Stream::End::broken);
}

TEST_F(TlsHostile, RenegotiationIsRefused) {
  serve();
  TlsPeer peer({.version = TLS1_2_VERSION});
  carry(peer);
  ASSERT_TRUE(established());
  SSL_renegotiate(peer.ssl());
  SSL_do_handshake(peer.ssl());
  carry(peer);
  EXPECT_EQ(outcomes_, 1);
  EXPECT_TRUE(peer.failed) << "the answer is no_renegotiation";
}

// As STARTTLS does it: what came behind it in the same packet is not used.
TEST_F(TlsHostile, WhatStandsBehindStarttlsInOnePacketIsNotContent) {
  auto [stream, client] = test::make_memory_stream(loop_);
  client_ = client;
  owner_.stream = std::move(stream);
  owner_.stream->set_handler(owner_);
  owner_.stream->read_start();
  owner_.on_bytes = [&] {
    owner_.on_bytes = nullptr;
    owner_.stream->write("220 go ahead\r\n");
    upgrade_now(std::move(owner_.stream), ClientCertificate::none);
  };
  client_->send("STARTTLS\r\nMAIL FROM:<attacker@example.org>\r\n");
  ASSERT_TRUE(test::run_until(loop_, [&] { return !client_->written.empty(); }));
  EXPECT_EQ(client_->take(), "220 go ahead\r\n");
  owner_.read.clear();
  TlsPeer peer;
  carry(peer);
  ASSERT_TRUE(established());
  peer.send("EHLO client.example\r\n");
  carry(peer);
  EXPECT_EQ(owner_.read, "EHLO client.example\r\n");
}

TEST_F(TlsHostile, WithoutRoomForAHandshakeThereIsNone) {
  most_ = 1000;
  serve();
  test::turn(loop_);
  EXPECT_EQ(outcomes_, 1);
  EXPECT_FALSE(facts_.has_value());
}

}  // namespace
}  // namespace lsmtpd::io
