// SPDX-License-Identifier: Apache-2.0
// A TlsStream on a stream in memory, with a client of OpenSSL.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "io/tls_stream.hpp"
#include "memory_stream.hpp"
#include "run_loop.hpp"
#include "tls_peer.hpp"

namespace lsmtpd::io {

using test::PeerSettings;
using test::TlsPeer;

struct Owner final : Stream::Handler {
  void on_read(std::string_view bytes) override {
    read += bytes;
    largest = std::max(largest, bytes.size());
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
  std::unique_ptr<Stream> stream;
  std::string read;
  std::function<void()> on_bytes;
  size_t largest = 0;
  int ends = 0, drained = 0, closed = 0;
  Stream::End end = Stream::End::broken;
};

// Made once: keys take time.
class TlsFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (folder_) return;
    folder_ = new test::TemporaryFolder;
    files_ = new TlsFiles(test::make_certificate(*folder_, "mx"));
    context_ = new std::shared_ptr<const TlsContext>(
        *TlsContext::load({.certificates = {*files_}, .client_ca = files_->certificate}));
  }
  ~TlsFixture() override {
    owner_.stream.reset();
    test::turn(loop_, 2);
    EXPECT_EQ(held_, 0u) << "what the session held is given back";
  }

  void serve(ClientCertificate wanted = ClientCertificate::none) {
    auto [stream, client] = test::make_memory_stream(loop_);
    client_ = client;
    upgrade(std::move(stream), wanted);
  }
  void upgrade(std::unique_ptr<Stream> below, ClientCertificate wanted = ClientCertificate::none) {
    test::on_loop(loop_, [&] { upgrade_now(std::move(below), wanted); });
  }
  void upgrade_now(std::unique_ptr<Stream> below, ClientCertificate wanted) {
    owner_.stream =
        std::make_unique<TlsStream>(loop_, turns_, std::move(below),
                                    TlsStream::Settings{.context = *context_,
                                                        .client_certificate = wanted,
                                                        .hold =
                                                            [this](uint64_t octets) {
                                                              if (octets > most_) return false;
                                                              held_ = octets;
                                                              return true;
                                                            },
                                                        .done =
                                                            [this](Result<TlsStream::Facts> facts) {
                                                              ++outcomes_;
                                                              facts_ = std::move(facts);
                                                              if (facts_ && read_at_once_)
                                                                owner_.stream->read_start();
                                                            }});
    owner_.stream->set_handler(owner_);
  }
  // Lets the loop turn without waiting.
  void spin() {
    for (int i = 0; i < 4; ++i) test::on_loop(loop_, [] {});
  }
  // Carries octets both ways until nothing moves any more.
  void carry(TlsPeer& peer) {
    for (bool moved = true; moved;) {
      const std::string up = peer.give();
      if (!up.empty()) client_->send(up);
      test::turn(loop_, 3);
      const std::string down = client_->take();
      peer.take(down);
      moved = !up.empty() || !down.empty();
    }
  }
  bool established() const { return outcomes_ == 1 && facts_.has_value(); }

  inline static test::TemporaryFolder* folder_ = nullptr;
  inline static TlsFiles* files_ = nullptr;
  inline static std::shared_ptr<const TlsContext>* context_ = nullptr;

  Loop loop_;
  TlsTurns turns_{loop_};
  std::shared_ptr<test::MemoryClient> client_;
  Owner owner_;
  uint64_t held_ = 0;
  uint64_t most_ = UINT64_MAX;
  bool read_at_once_ = true;
  int outcomes_ = 0;
  Result<TlsStream::Facts> facts_;
};

}  // namespace lsmtpd::io
