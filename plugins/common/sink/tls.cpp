// SPDX-License-Identifier: Apache-2.0
#include "tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>

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

std::string library_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "unknown error" : reason;
}

int give_password(char* out, int size, int, void* data) {
  const auto& password = *static_cast<const std::string*>(data);
  if (size < 0 || password.size() > static_cast<std::size_t>(size)) return -1;
  std::copy(password.begin(), password.end(), out);
  return static_cast<int>(password.size());
}

bool trust(SSL_CTX* context, const std::string& ca) {
  if (ca.empty()) return SSL_CTX_set_default_verify_paths(context) == 1;
  struct stat status {};
  if (::stat(ca.c_str(), &status) != 0) return false;
  return S_ISDIR(status.st_mode) ? SSL_CTX_load_verify_dir(context, ca.c_str()) == 1
                                 : SSL_CTX_load_verify_file(context, ca.c_str()) == 1;
}

bool present(SSL_CTX* context, const TlsOptions& options) {
  SSL_CTX_set_default_passwd_cb(context, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<std::string*>(&options.key_password));
  return SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) == 1 &&
         SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) == 1 &&
         SSL_CTX_check_private_key(context) == 1;
}

// The fault of a certificate, in an operator's words.
std::string verify_error(long code) {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the certificate is not valid yet";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the issuer of the certificate is not trusted, see `tls_ca`";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the certificate is for another name, see `tls_name`";
    default:
      return std::string("the certificate is refused: ") + X509_verify_cert_error_string(code);
  }
}

// "broker.example." is the same name as without the dot, which no certificate has.
std::string without_dot(std::string name) {
  if (name.ends_with('.')) name.pop_back();
  return name;
}

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
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!address) return X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), 0) == 1;
  const std::string plain = name.substr(0, name.find('%'));
  return X509_VERIFY_PARAM_set1_ip_asc(parameters, plain.c_str()) == 1;
}

tl::expected<std::unique_ptr<Tls>, std::string> Tls::make(const TlsOptions& options,
                                                          const std::string& host) {
  const auto fail = [](const char* text) { return tl::unexpected(std::string(text)); };
  ERR_clear_error();
  auto state = std::make_unique<State>();
  state->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = state->context.get();
  if (context == nullptr) return fail("TLS cannot be set up");
  SSL_CTX_set_min_proto_version(context, options.only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (!trust(context, options.ca)) return fail("`tls_ca` cannot be read");
  if (!options.certificate.empty() && !present(context, options)) {
    return tl::unexpected("`tls_certificate` or `tls_key` cannot be used: " + library_error());
  }
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
  state->name = without_dot(options.name.empty() ? host : options.name);
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
  error_ =
      checked && !established_ && verified != X509_V_OK ? verify_error(verified) : library_error();
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
