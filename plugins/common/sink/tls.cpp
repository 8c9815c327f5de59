// SPDX-License-Identifier: Apache-2.0
#include "tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <climits>

#include "client_context.hpp"
#include "url.hpp"

namespace lsmtpd::sink {

namespace {

// Content is encrypted a record at a time, when the socket has taken the last: more than that are
// answers to the broker's own messages, as to requests for new keys.
constexpr std::size_t kMostUnsent = 64 * 1024;

template <auto function>
struct Free {
  template <class Object>
  void operator()(Object* object) const {
    function(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;

}  // namespace

struct Tls::State {
  Context context;
  Session session;
  BIO* in = nullptr;   // the session's
  BIO* out = nullptr;  // the session's
  std::string name;

  bool expect(const TlsOptions& options);
};

// The name goes into SNI, and where it is checked into the session; an address only into the
// latter.
bool Tls::State::expect(const TlsOptions& options) {
  SSL* ssl = session.get();
  const bool address = is_address(name);
  if (!address && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
  if (options.verify != Verify::name) return true;
  return expect_name(SSL_get0_param(ssl), name);
}

tl::expected<std::unique_ptr<Tls>, std::string> Tls::make(const TlsOptions& options,
                                                          const std::string& host) {
  const auto fail = [](const char* text) { return tl::unexpected(std::string(text)); };
  ERR_clear_error();
  auto state = std::make_unique<State>();
  state->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = state->context.get();
  if (context == nullptr) return fail("TLS cannot be set up");
  if (const std::string why = set_up(context, options); !why.empty()) return tl::unexpected(why);
  state->session.reset(SSL_new(context));
  SSL* ssl = state->session.get();
  state->in = BIO_new(BIO_s_mem());
  state->out = BIO_new(BIO_s_mem());
  if (ssl == nullptr || state->in == nullptr || state->out == nullptr) {
    BIO_free(state->in);
    BIO_free(state->out);
    return fail("TLS cannot be set up");
  }
  SSL_set_bio(ssl, state->in, state->out);
  SSL_set_connect_state(ssl);
  SSL_set_verify(ssl, options.verify == Verify::none ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  state->name = expected_name(options, host);
  if (!state->expect(options)) return fail("the broker's name cannot be set");
  return std::unique_ptr<Tls>(new Tls(std::move(state)));
}

Tls::Tls(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tls::~Tls() = default;

void Tls::feed(std::string_view ciphertext) {
  while (!ciphertext.empty()) {
    const int size = static_cast<int>(std::min<std::size_t>(ciphertext.size(), INT_MAX));
    const int taken = BIO_write(state_->in, ciphertext.data(), size);
    if (taken <= 0) return;  // no memory: the session misses bytes and fails
    ciphertext.remove_prefix(static_cast<std::size_t>(taken));
  }
  advance();
}

void Tls::advance() {
  if (established_ || !error_.empty()) return;
  ERR_clear_error();
  const int result = SSL_do_handshake(state_->session.get());
  established_ = result == 1;
  if (!established_) fail(result);
}

// Not where it only waits for more.
void Tls::fail(int result) {
  const int kind = SSL_get_error(state_->session.get(), result);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_ZERO_RETURN)
    return;
  const long verified = SSL_get_verify_result(state_->session.get());
  const bool checked = SSL_get_verify_mode(state_->session.get()) != SSL_VERIFY_NONE;
  error_ = checked && !established_ && verified != X509_V_OK ? verify_error(verified)
                                                             : tls_library_error();
  error_ += " (" + state_->name + " was expected)";
}

std::size_t Tls::read(char* out, std::size_t room) {
  if (!established_ || !error_.empty() || room == 0) return 0;
  ERR_clear_error();
  const int got =
      SSL_read(state_->session.get(), out, static_cast<int>(std::min<std::size_t>(room, INT_MAX)));
  if (got <= 0) fail(got);
  if (error_.empty() && out_.size() + BIO_ctrl_pending(state_->out) > kMostUnsent) {
    error_ = "the broker asks for answers beside content, and does not read them";
    return 0;
  }
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

std::size_t Tls::write(std::string_view clear) {
  if (!established_ || !error_.empty() || clear.empty()) return 0;
  ERR_clear_error();
  const int put = SSL_write(state_->session.get(), clear.data(),
                            static_cast<int>(std::min<std::size_t>(clear.size(), INT_MAX)));
  if (put <= 0) fail(put);
  return put > 0 ? static_cast<std::size_t>(put) : 0;
}

std::string_view Tls::pending() {
  const std::size_t more = BIO_ctrl_pending(state_->out);
  if (more != 0) {
    const std::size_t before = out_.size();
    out_.resize(before + more);
    const int got = BIO_read(state_->out, out_.data() + before, static_cast<int>(more));
    out_.resize(before + static_cast<std::size_t>(std::max(got, 0)));
  }
  return out_;
}

void Tls::sent(std::size_t bytes) {
  out_.erase(0, bytes);
}

void Tls::close() {
  if (established_ && error_.empty()) SSL_shutdown(state_->session.get());
}

std::string Tls::description() const {
  return std::string(SSL_get_version(state_->session.get())) + " " +
         SSL_get_cipher_name(state_->session.get());
}

}  // namespace lsmtpd::sink
