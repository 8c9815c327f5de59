// SPDX-License-Identifier: Apache-2.0
// TLS above a stream in memory, with a client of OpenSSL: records cut anywhere, octets that are
// changed or put in, an end or a close at any place. What is read is always the beginning of what
// the client sent, the handshake has one outcome and the stream one end, and all memory is given
// back.
//
// Each octet of the input is one step; afterwards the rest is carried in pieces of `seed` octets.
#include <algorithm>
#include <memory>
#include <string>

#include "../io/tls_peer.hpp"
#include "fuzz_input.hpp"
#include "io/tls_stream.hpp"
#include "memory_stream.hpp"
#include "run_loop.hpp"

namespace {

using namespace lsmtpd;
using io::Stream;
using io::TlsStream;

// Made once: keys take time.
struct World {
  World()
      : context(*io::TlsContext::load({.certificates = {test::make_certificate(folder, "mx")},
                                       .client_ca = (folder / "mx.pem").string()})),
        client(test::make_certificate(folder, "client")) {}
  test::TemporaryFolder folder;
  std::shared_ptr<const io::TlsContext> context;
  io::TlsFiles client;
  io::Loop loop;
  io::TlsTurns turns{loop};
};

World& world() {
  static World made;
  return made;
}

struct Owner final : Stream::Handler {
  void on_read(std::string_view bytes) override {
    fuzz::require(!bytes.empty() && ends == 0 && closed == 0);
    read += bytes;
  }
  void on_end(Stream::End) override { fuzz::require(++ends == 1 && closed == 0); }
  void on_drained() override { fuzz::require(closed == 0); }
  void on_closed() override {
    ++closed;
    stream.reset();
  }
  std::unique_ptr<Stream> stream;
  std::string read;
  int ends = 0, closed = 0;
};

class Run {
 public:
  explicit Run(const fuzz::Input& input)
      : peer_({.version = input.flag(0) ? TLS1_2_VERSION : TLS1_3_VERSION,
               .server_name = input.flag(1) ? "mx.example.org" : "",
               .certificate = input.flag(2) ? &world().client : nullptr}) {
    auto [stream, client] = test::make_memory_stream(world().loop);
    client_ = client;
    const auto wanted = input.flag(3)   ? io::ClientCertificate::require
                        : input.flag(2) ? io::ClientCertificate::request
                                        : io::ClientCertificate::none;
    test::on_loop(
        world().loop,
        [&, below = std::make_shared<std::unique_ptr<test::MemoryStream>>(std::move(stream))] {
          owner_.stream = std::make_unique<TlsStream>(
              world().loop, world().turns, std::move(*below),
              TlsStream::Settings{.context = world().context,
                                  .client_certificate = wanted,
                                  .hold = [this](uint64_t octets) { return hold(octets); },
                                  .done = [this](Result<TlsStream::Facts> facts) { done(facts); }});
          owner_.stream->set_handler(owner_);
        });
  }
  ~Run() {
    fuzz::require(peer_.received.size() <= written_ &&
                  peer_.received.find_first_not_of('w') == std::string::npos);
    owner_.stream.reset();
    spin();
    fuzz::require(held_ == 0);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void step(uint8_t what) {
    if (what < 0x80) return carry(what + 1u);
    if (what < 0x90) return send(std::string((what & 15u) * 37 + 1, 'a' + (what & 15)));
    switch (what) {
      case 0x90:
        SSL_key_update(peer_.ssl(), SSL_KEY_UPDATE_REQUESTED);
        return send("k");
      case 0x91:
        said_goodbye_ = said_goodbye_ || peer_.done();
        if (peer_.done()) peer_.say_goodbye();
        return;
      case 0x92:
        return end([this] { client_->finish(); });
      case 0x93:
        return end([this] { client_->fall_silent(); });
      case 0x94:
        return end([this] { client_->abort(); });
      case 0x95:
        reading_ = false;
        return ask([this] { owner_.stream->read_stop(); });
      case 0x96:
        reading_ = true;
        return ask([this] { owner_.stream->read_start(); });
      case 0x97:
        return ask([this] {
          owner_.stream->write(std::string(1000, 'w'));
          written_ += 1000;
        });
      case 0x98:
        disturbed_ = true;
        return ask([this] { owner_.stream->close_when_sent(true); });
      case 0x99:
        disturbed_ = true;
        return ask([this] { owner_.stream->close(); });
      case 0x9a:  // the next octet of the client is another one
        fill();
        if (!up_.empty()) up_[0] = static_cast<char>(up_[0] ^ 1);
        disturbed_ = true;
        return;
      case 0x9b:
        up_.insert(0, "\x16\x03\x03\xff\xff", 5);
        disturbed_ = true;
        return;
      case 0x9c:
        client_->room = 0;
        return;
      case 0x9d:
        client_->room = std::string::npos;
        return;
      case 0x9e:
        return ask([this] { (void)owner_.stream->has_unread_bytes(); });
      case 0x9f:
        most_ = held_;
        disturbed_ = true;
        return;
      default:
        carry(1000);
    }
  }

  void finish(size_t piece) {
    client_->room = std::string::npos;
    ask([this] {
      if (outcomes_ == 1 && good_) owner_.stream->read_start();
    });
    reading_ = true;
    while (carry(piece == 0 ? SIZE_MAX : piece), !up_.empty()) {
    }
    if (disturbed_ || ended_) return;
    fuzz::require(outcomes_ == 1);
    if (good_) fuzz::require(owner_.read == content_);
    if (good_ && said_goodbye_) fuzz::require(owner_.ends == 1);
  }

 private:
  bool hold(uint64_t octets) {
    fuzz::require(octets < 192u << 10);
    if (octets > held_ && octets > most_) return false;
    held_ = octets;
    return true;
  }
  void done(const Result<TlsStream::Facts>& facts) {
    fuzz::require(++outcomes_ == 1);
    good_ = facts.has_value();
    if (good_ && reading_) owner_.stream->read_start();
    if (!good_) owner_.stream->close_when_sent(true);
  }
  void ask(const std::function<void()>& what) {
    if (owner_.stream == nullptr) return;
    test::on_loop(world().loop, what);
    spin();
  }
  void end(const std::function<void()>& how) {
    if (!std::exchange(ended_, true)) test::on_loop(world().loop, how);
    spin();
  }
  void spin() {
    for (int i = 0; i < 4; ++i) test::on_loop(world().loop, [] {});
    fuzz::require(content_.starts_with(owner_.read));
    fuzz::require(owner_.read.empty() || (outcomes_ == 1 && good_));
  }
  void send(const std::string& text) {
    if (!peer_.done() || peer_.failed || said_goodbye_) return;
    ERR_clear_error();
    if (SSL_write(peer_.ssl(), text.data(), static_cast<int>(text.size())) > 0) content_ += text;
  }
  // What the client has to send, with the server's octets taken in first.
  void fill() {
    peer_.take(client_->take());
    up_ += peer_.give();
  }
  void carry(size_t most) {
    fill();
    const std::string part = up_.substr(0, most);
    up_.erase(0, part.size());
    if (!part.empty() && !ended_) client_->send(part);
    spin();
    fill();
  }

  test::TlsPeer peer_;
  std::shared_ptr<test::MemoryClient> client_;
  Owner owner_;
  std::string up_, content_;
  uint64_t held_ = 0, most_ = UINT64_MAX;
  size_t written_ = 0;
  int outcomes_ = 0;
  bool good_ = false, reading_ = true, ended_ = false, said_goodbye_ = false, disturbed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Input input(data, size);
  Run run(input);
  for (const char what : input.text.substr(0, 2000)) run.step(static_cast<uint8_t>(what));
  run.finish(input.seed);
  return 0;
}
