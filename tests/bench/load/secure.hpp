// SPDX-License-Identifier: Apache-2.0
// TLS from the first octet, for the load client: OpenSSL on the connection's own socket, no
// certificate is verified and no session resumed.
#pragma once

#include <openssl/ssl.h>

#include <cerrno>
#include <memory>
#include <stdexcept>

namespace lsmtpd::bench {

class SecureContext {
 public:
  SecureContext() : context_(SSL_CTX_new(TLS_client_method())) {
    if (!context_) throw std::runtime_error("OpenSSL has no memory");
    SSL_CTX_set_mode(context_.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  ssl_st* session(int fd) const {
    ssl_st* made = SSL_new(context_.get());
    if (made == nullptr) throw std::runtime_error("OpenSSL has no memory");
    SSL_set_fd(made, fd);
    SSL_set_connect_state(made);
    return made;
  }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

// Of one connection; without start() it is in the clear.
class Secure {
 public:
  void start(const SecureContext& context, int fd) { session_.reset(context.session(fd)); }
  explicit operator bool() const { return session_ != nullptr; }
  bool ready() const { return session_ == nullptr || SSL_is_init_finished(session_.get()) == 1; }

  // 1: done; 0: it waits; -1: it failed.
  int shake() {
    const int result = SSL_do_handshake(session_.get());
    return result == 1 ? 1 : waits(result) ? 0 : -1;
  }
  // As recv() and send().
  ssize_t read(char* target, size_t size) {
    return as_call(SSL_read(session_.get(), target, static_cast<int>(size)));
  }
  ssize_t write(const char* octets, size_t size) {
    return as_call(SSL_write(session_.get(), octets, static_cast<int>(size)));
  }

 private:
  bool waits(int result) const {
    const int error = SSL_get_error(session_.get(), result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }
  ssize_t as_call(int result) const {
    if (result > 0) return result;
    if (waits(result)) {
      errno = EAGAIN;
      return -1;
    }
    if (SSL_get_error(session_.get(), result) == SSL_ERROR_ZERO_RETURN) return 0;
    errno = EPROTO;
    return -1;
  }
  struct Free {
    void operator()(ssl_st* session) const { SSL_free(session); }
  };
  std::unique_ptr<ssl_st, Free> session_;
};

}  // namespace lsmtpd::bench
