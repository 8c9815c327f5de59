// SPDX-License-Identifier: Apache-2.0
// TLS to a broker, apart from the socket and from AMQP: ciphertext in and out, clear text in and
// out.
//
// Not Proton's own: that checks no IP address in a certificate, sends addresses as SNI, and does
// not tell why a certificate was refused. Order: make() reads the certificate files; then feed()
// what came, read() until there is no more, write() once established(), and send what pending()
// has, which is bounded whatever the broker sends. After a failure error() says why, and nothing
// else happens. One connection; one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "tls_options.hpp"

namespace lsmtpd::sink {

class Tls {
 public:
  // `host` is the URL's; `tls_name` goes before it. Or which option cannot be used.
  static tl::expected<std::unique_ptr<Tls>, std::string> make(const TlsOptions& options,
                                                              const std::string& host);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  void feed(std::string_view ciphertext);
  // Bytes of clear text; 0: none yet.
  std::size_t read(char* out, std::size_t room);
  // How many bytes were taken; 0 before established() and after a failure.
  std::size_t write(std::string_view clear);
  // Ciphertext to be sent; sent() takes it off.
  std::string_view pending();
  void sent(std::size_t bytes);
  // Goes on with the handshake.
  void advance();
  // Says goodbye: the last of pending().
  void close();

  bool established() const { return established_; }
  const std::string& error() const { return error_; }
  std::string description() const;  // "TLSv1.3 TLS_AES_256_GCM_SHA384"

 private:
  struct State;
  explicit Tls(std::unique_ptr<State> state);
  void fail(int result);

  std::unique_ptr<State> state_;
  std::string out_;
  bool established_ = false;
  std::string error_;
};

}  // namespace lsmtpd::sink
