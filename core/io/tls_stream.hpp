// SPDX-License-Identifier: Apache-2.0
// The server's side of TLS 1.2 and 1.3 above another stream (io/stream.hpp), with OpenSSL as an
// engine on a BIO of our own that reads from the loop's buffer: an idle session keeps no octets.
//
// The handshake begins with the construction and ends with one call of `done`; before it nothing
// is read or written, and the handler hears nothing. After a failure only close_when_sent(), which
// sends the alert, and close() have an effect. [loop]
#pragma once

#include <openssl/opensslv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/stream.hpp"
#include "io/tls_context.hpp"
#include "io/tls_records.hpp"
#include "io/tls_turns.hpp"

struct bio_st;

namespace lsmtpd::io {

enum class ClientCertificate : uint8_t {
  none,
  request,  // one that cannot be verified, or none, is let pass, and Facts says so
  require,  // of an issuer in TlsSettings::client_ca
};

class TlsStream final : public Stream, Stream::Handler {
 public:
  // By measurement with OpenSSL 3.0 and 3.5 (tests/io/tls_memory_test.cpp): a session between two
  // octets, and one in its handshake.
  static constexpr uint64_t kIdleCost = (OPENSSL_VERSION_PREREQ(3, 2) ? 34u : 18u) << 10;
  static constexpr uint64_t kHandshakeCost = (OPENSSL_VERSION_PREREQ(3, 2) ? 96u : 48u) << 10;
  // Messages beside content that a peer may send once the handshake is over: key updates and
  // attempts to renegotiate, each of which costs us more than the peer.
  static constexpr uint32_t kMostOwnMessages = 64;
  // Octets of the layer's own answers that a peer may leave unread.
  static constexpr uint64_t kMostOwnUnsent = 16u << 10;

  struct Facts {
    std::string version;         // "TLSv1.3"
    std::string cipher;          // "TLS_AES_256_GCM_SHA384": the name of the IANA
    std::string server_name;     // SNI; may be empty
    std::string client_subject;  // RFC 4514; empty: no certificate
    std::string client_sha256;   // fingerprint of the certificate, in hexadecimal digits
    bool client_verified = false;
  };
  struct Settings {
    std::shared_ptr<const TlsContext> context;
    ClientCertificate client_certificate = ClientCertificate::none;
    // Asked each time the memory of the session changes, in octets: false: there is no room, and
    // the session ends. Called with less it never returns false.
    std::function<bool(uint64_t octets)> hold;
    // An error says why in an operator's words.
    std::function<void(Result<Facts>)> done;
  };

  // Takes `below` over with set_handler(). `turns` is of the same loop.
  TlsStream(Loop& loop, TlsTurns& turns, std::unique_ptr<Stream> below, Settings settings);
  ~TlsStream() override;

  void set_handler(Stream::Handler& handler) override { handler_ = &handler; }
  Endpoint peer() const override { return below_->peer(); }
  Endpoint local() const override { return below_->local(); }
  bool has_unread_bytes() const override;
  void read_start() override;
  void read_stop() override;
  void write(std::string_view bytes) override;
  uint64_t unsent() const override { return below_->unsent(); }
  void close_when_sent(bool linger) override;
  void close() override;

 private:
  enum class Phase : uint8_t { handshake, open, over };
  struct Engine;

  // Stream::Handler, of the stream below
  void on_read(std::string_view bytes) override;
  void on_end(End end) override;
  void on_drained() override;
  void on_closed() override;

  void work();
  void keep_rest();
  void step();
  bool deliver();
  void tell_end();
  void established();
  void fail_with(std::string why);
  void send_own();
  bool hold();
  void free_engine();

  Loop& loop_;
  TlsTurns& turns_;
  std::unique_ptr<Stream> below_;
  Settings settings_;
  Stream::Handler* handler_ = nullptr;
  std::unique_ptr<Engine> engine_;
  Phase phase_ = Phase::handshake;
  bool reading_ = false;
  bool waiting_ = false;  // for its turn
  bool deferred_ = false;
  bool content_unsent_ = false;
  bool below_ended_ = false;
  bool told_ = false;  // the handler has its end
  End end_ = End::broken;
  uint64_t held_ = 0;        // as settings_.hold knows it
  uint64_t own_unsent_ = 0;  // the layer's own octets since the stream below was empty
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace lsmtpd::io
