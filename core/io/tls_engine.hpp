// SPDX-License-Identifier: Apache-2.0
// OpenSSL's session of a TlsStream, and its BIO: it reads records from the loop's buffer, and keeps
// those that it writes for flush(). [loop]
#pragma once

#include "io/openssl.hpp"
#include "io/tls_stream.hpp"

namespace lsmtpd::io {

struct TlsStream::Engine {
  Engine(Stream& stream, SSL_CTX* context, ClientCertificate wanted);

  static BIO_METHOD* method();
  static int bio_read(BIO* bio, char* target, int size);
  static int bio_write(BIO* bio, const char* bytes, int size);
  static long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH; }
  static void message(int sent, int, int type, const void*, size_t, SSL*, void* engine);

  // Hands what OpenSSL wrote to the stream below; returns the number of octets.
  size_t flush();
  bool has_input() const { return records.has_record() || SSL_pending(ssl.get()) > 0; }
  // Of a read that gave no content. SSL_get_error() would need an empty error queue, which other
  // code of the thread may have filled: to empty it before each call took a tenth of what TLS
  // costs.
  bool wants_input() const { return SSL_want_read(ssl.get()); }
  bool was_told_goodbye() const {
    return (SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  // The facts of the session; they count the client's certificates in `client_cost`.
  Facts facts();

  Stream& below;
  TlsRecords records;
  openssl::Session ssl;
  bool open = false;
  uint32_t own_messages = 0;  // of the peer beside content, and our answers to them
  uint64_t client_cost = 0;   // octets that the client's certificates take
};

}  // namespace lsmtpd::io
