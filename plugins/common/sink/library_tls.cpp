// SPDX-License-Identifier: Apache-2.0
#include "library_tls.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "client_context.hpp"
#include "url.hpp"

namespace lsmtpd::sink {

namespace {

// The context that this thread made last.
thread_local SSL_CTX* made_last = nullptr;

void made(void* parent, void*, CRYPTO_EX_DATA*, int, long, void*) {
  made_last = static_cast<SSL_CTX*>(parent);
}

// Of the LibraryTls in a context. OpenSSL tells of contexts that are made after it was asked for.
int place() {
  static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, made, nullptr, nullptr);
  return kIndex;
}

LibraryTls* owner_of(const SSL* ssl) {
  return static_cast<LibraryTls*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place()));
}

}  // namespace

// Empty, or why there is none. The library trusts the system's certificates beside those that it is
// told of: the context trusts nobody yet.
std::string LibraryTls::take_context(const std::function<bool()>& make, SSL_CTX** context) {
  constexpr const char* kNone = "TLS cannot be set up";
  ERR_clear_error();
  made_last = nullptr;
  if (place() < 0 || !make() || made_last == nullptr) return kNone;
  *context = std::exchange(made_last, nullptr);
  X509_STORE* trusted = X509_STORE_new();
  if (trusted == nullptr || SSL_CTX_set_ex_data(*context, place(), this) != 1) {
    X509_STORE_free(trusted);
    return kNone;
  }
  SSL_CTX_set_cert_store(*context, trusted);
  SSL_CTX_set_info_callback(*context, &LibraryTls::watch);
  return {};
}

tl::expected<std::unique_ptr<LibraryTls>, std::string> LibraryTls::make(
    const TlsOptions& options, const std::string& host, const std::function<bool()>& make) {
  std::unique_ptr<LibraryTls> self(new LibraryTls(options, expected_name(options, host)));
  SSL_CTX* context = nullptr;
  std::string why = self->take_context(make, &context);
  if (why.empty()) why = set_up(context, self->options_);
  if (!why.empty()) return tl::unexpected(why);
  SSL_CTX_set_cert_verify_callback(context, &LibraryTls::verify, self.get());
  return self;
}

tl::expected<std::unique_ptr<LibraryTls>, std::string> LibraryTls::refuse(
    std::string why, const std::function<bool()>& make) {
  std::unique_ptr<LibraryTls> self(new LibraryTls({}, {}));
  self->unwanted_ = std::move(why);
  SSL_CTX* context = nullptr;
  if (const std::string fault = self->take_context(make, &context); !fault.empty())
    return tl::unexpected(fault);
  return self;
}

LibraryTls::~LibraryTls() {
  over();
}

void LibraryTls::watch(const SSL* ssl, int where, int) {
  LibraryTls* self = owner_of(ssl);
  if (self == nullptr) return;
  // Callbacks get a const session, and this one is the thread's own.
  if ((where & SSL_CB_HANDSHAKE_START) != 0) self->started(const_cast<SSL*>(ssl));
  if ((where & SSL_CB_HANDSHAKE_DONE) != 0 && self->description_.empty())
    self->description_ = std::string(SSL_get_version(ssl)) + " " + SSL_get_cipher_name(ssl);
}

// TLS 1.3 says so again for each message after the handshake.
void LibraryTls::started(SSL* ssl) {
  if (begun_.exchange(true)) return;
  if (!unwanted_.empty()) {
    refusal_ = unwanted_;
    ::shutdown(SSL_get_fd(ssl), SHUT_RDWR);
    return;
  }
  if (!is_address(name_)) SSL_set_tlsext_host_name(ssl, name_.c_str());
  const std::lock_guard lock(mutex_);
  if (over_) return;
  socket_ = ::fcntl(SSL_get_fd(ssl), F_DUPFD_CLOEXEC, 0);
  if (interrupted_ && socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void LibraryTls::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void LibraryTls::over() {
  const std::lock_guard lock(mutex_);
  over_ = true;
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

// In place of the library's own check, which knows no addresses, or checks a name where it was told
// none.
int LibraryTls::verify(X509_STORE_CTX* chain, void* data) {
  auto* self = static_cast<LibraryTls*>(data);
  if (self->options_.verify == Verify::none) return 1;
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(chain);
  X509_VERIFY_PARAM_set1_host(parameters, nullptr, 0);
  X509_VERIFY_PARAM_set1_ip(parameters, nullptr, 0);
  if (self->options_.verify == Verify::name && !expect_name(parameters, self->name_)) {
    X509_STORE_CTX_set_error(chain, X509_V_ERR_OUT_OF_MEM);
    return 0;
  }
  const int good = X509_verify_cert(chain);
  if (good != 1)
    self->refusal_ =
        verify_error(X509_STORE_CTX_get_error(chain)) + " (" + self->name_ + " was expected)";
  return good;
}

}  // namespace lsmtpd::sink
