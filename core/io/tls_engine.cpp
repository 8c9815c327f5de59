// SPDX-License-Identifier: Apache-2.0
#include "io/tls_engine.hpp"

namespace lsmtpd::io {

using namespace openssl;

namespace {

constexpr size_t kSpare = 64u << 10;     // octets that the buffer below may keep
constexpr uint64_t kPerCertificate = 3;  // OpenSSL keeps the octets, and what they mean

// Records on their way down: in use only during a call, so that all sessions of a thread share it.
thread_local std::string records_out;

int verify_none(int, X509_STORE_CTX*) {
  return 1;
}

int verify_mode(ClientCertificate wanted) {
  if (wanted == ClientCertificate::none) return SSL_VERIFY_NONE;
  return wanted == ClientCertificate::request ? SSL_VERIFY_PEER
                                              : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

}  // namespace

TlsStream::Engine::Engine(Stream& stream, SSL_CTX* context, ClientCertificate wanted)
    : below(stream), ssl(SSL_new(context)) {
  BIO* bio = ssl ? BIO_new(method()) : nullptr;
  if (!bio) {
    ssl.reset();
    return;
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_accept_state(ssl.get());
  SSL_set_verify(ssl.get(), verify_mode(wanted),
                 wanted == ClientCertificate::request ? verify_none : nullptr);
  SSL_set_msg_callback(ssl.get(), message);
  SSL_set_msg_callback_arg(ssl.get(), this);
}

BIO_METHOD* TlsStream::Engine::method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loop buffer");
    BIO_meth_set_read(fresh, bio_read);
    BIO_meth_set_write(fresh, bio_write);
    BIO_meth_set_ctrl(fresh, bio_control);
    return fresh;
  }();
  return made;
}

int TlsStream::Engine::bio_read(BIO* bio, char* target, int size) {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  auto& self = *static_cast<Engine*>(BIO_get_data(bio));
  const size_t count = self.records.read(target, static_cast<size_t>(size));
  if (count > 0) return static_cast<int>(count);
  BIO_set_retry_read(bio);
  return -1;
}

int TlsStream::Engine::bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  records_out.append(bytes, static_cast<size_t>(size));
  return size;
}

// The peer's messages after the handshake, and our alerts, which answer some of them.
void TlsStream::Engine::message(int sent, int, int type, const void*, size_t, SSL*, void* engine) {
  auto& self = *static_cast<Engine*>(engine);
  if (self.open && type == (sent ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE)) ++self.own_messages;
}

size_t TlsStream::Engine::flush() {
  const size_t size = records_out.size();
  if (size == 0) return 0;
  below.write(records_out);
  records_out.clear();
  if (records_out.capacity() > kSpare) records_out.shrink_to_fit();
  return size;
}

TlsStream::Facts TlsStream::Engine::facts() {
  const char* name = SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name);
  Facts all{.version = SSL_get_version(ssl.get()),
            .cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl.get())),
            .server_name = name ? name : "",
            .client_subject = {},
            .client_sha256 = {}};
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl.get());
  for (int i = 0; i < sk_X509_num(chain); ++i)
    client_cost += kPerCertificate * to_der(sk_X509_value(chain, i)).size();
  const Certificate client(SSL_get1_peer_certificate(ssl.get()));
  if (!client) return all;
  all.client_subject = name_text(X509_get_subject_name(client.get()));
  const std::string octets = to_der(client.get());
  client_cost += kPerCertificate * octets.size();
  all.client_sha256 = sha256_hex(octets);
  all.client_verified = SSL_get_verify_result(ssl.get()) == X509_V_OK;
  return all;
}

}  // namespace lsmtpd::io
