// SPDX-License-Identifier: Apache-2.0
// The TLS of a library that makes its own SSL_CTX, gives it to nobody, and does the handshake
// inside a call that blocks: the context gets the same settings as Tls, and the handshake can be
// ended from another thread.
//
// The context is learnt of by OpenSSL's own notice of new objects (CRYPTO_get_ex_new_index). One
// connection; it outlives what the library makes of it. Its functions are called by the thread that
// connects, but for interrupt() and begun() [any].
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <tl/expected.hpp>

#include "tls_options.hpp"

namespace lsmtpd::sink {

class LibraryTls {
 public:
  // Calls `make`, in which the library makes one SSL_CTX on this thread, and sets that up. `host`
  // is the URL's. Or which option cannot be used; reads files.
  static tl::expected<std::unique_ptr<LibraryTls>, std::string> make(
      const TlsOptions& options, const std::string& host, const std::function<bool()>& make);
  // For a connection without TLS, where the library would go over to it if the broker asks for it:
  // a handshake fails at its start, and refusal() is `why`.
  static tl::expected<std::unique_ptr<LibraryTls>, std::string> refuse(
      std::string why, const std::function<bool()>& make);
  ~LibraryTls();
  LibraryTls(const LibraryTls&) = delete;
  LibraryTls& operator=(const LibraryTls&) = delete;

  // [any] Ends a handshake that is under way or comes, as if the broker had gone.
  void interrupt();
  // [any] A handshake has begun.
  bool begun() const { return begun_; }
  // After the call that connects, whatever came of it: interrupt() reaches nothing any more.
  void over();

  // Why the certificate, or TLS, was refused; empty: it was not.
  const std::string& refusal() const { return refusal_; }
  const std::string& description() const { return description_; }  // "TLSv1.3 TLS_AES_..."

 private:
  LibraryTls(TlsOptions options, std::string name)
      : options_(std::move(options)), name_(std::move(name)) {}
  static void watch(const SSL* ssl, int where, int value);
  static int verify(X509_STORE_CTX* chain, void* self);
  std::string take_context(const std::function<bool()>& make, SSL_CTX** context);
  void started(SSL* ssl);

  const TlsOptions options_;
  const std::string name_;
  std::string unwanted_;  // why no handshake may begin
  std::string refusal_;
  std::string description_;
  std::atomic<bool> begun_{false};
  std::mutex mutex_;  // guards these
  int socket_ = -1;   // a duplicate of the handshake's, so that its number is of no other file
  bool interrupted_ = false;
  bool over_ = false;
};

}  // namespace lsmtpd::sink
