// SPDX-License-Identifier: Apache-2.0
// For tests of TLS: certificates that are made on the spot, and a client of OpenSSL without a
// socket.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/openssl.hpp"
#include "io/tls_context.hpp"

namespace lsmtpd::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "lsmtpd-tls.XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct CertificateWish {
  std::vector<std::string> names = {"mx.example.org"};
  bool rsa = false;
  long days = 30;
};

// NAME.pem and NAME.key, signed by itself, or by the files of `issuer`.
inline io::TlsFiles make_certificate(const TemporaryFolder& folder, const std::string& name,
                                     const CertificateWish& wish = {},
                                     const io::TlsFiles* issuer = nullptr) {
  using namespace io::openssl;
  const io::TlsFiles files{(folder / (name + ".pem")).string(),
                           (folder / (name + ".key")).string()};
  const PrivateKey key(wish.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
  const Certificate made(X509_new());
  X509* x = made.get();
  static long serial = 1;
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600 * 24 * 365);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600 * 24 * wish.days);
  X509_set_pubkey(x, key.get());
  X509_NAME* subject = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  std::string alternatives;
  for (const auto& each : wish.names)
    alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + each;
  const auto extend = [x](int id, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (!alternatives.empty()) extend(NID_subject_alt_name, alternatives.c_str());
  extend(NID_basic_constraints, "CA:TRUE");
  PrivateKey issuer_key;
  if (issuer) {
    const Bio certificate(BIO_new_file(issuer->certificate.c_str(), "r"));
    const Certificate above(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
    X509_set_issuer_name(x, X509_get_subject_name(above.get()));
    const Bio file(BIO_new_file(issuer->key.c_str(), "r"));
    issuer_key.reset(PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, nullptr));
  } else {
    X509_set_issuer_name(x, subject);
  }
  X509_sign(x, issuer ? issuer_key.get() : key.get(), EVP_sha256());
  const Bio out(BIO_new_file(files.certificate.c_str(), "w"));
  PEM_write_bio_X509(out.get(), x);
  const Bio key_out(BIO_new_file(files.key.c_str(), "w"));
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return files;
}

struct PeerSettings {
  int version = TLS1_3_VERSION;
  std::string server_name = {};
  std::string ciphers = {};     // of TLS 1.2
  std::string algorithms = {};  // of signatures
  const io::TlsFiles* certificate = nullptr;
};

// Octets go in with take() and come out of give(); the test carries them.
class TlsPeer {
 public:
  explicit TlsPeer(const PeerSettings& settings = {}) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), settings.version);
    SSL_CTX_set_max_proto_version(context_.get(), settings.version);
    if (!settings.ciphers.empty())
      SSL_CTX_set_cipher_list(context_.get(), settings.ciphers.c_str());
    if (!settings.algorithms.empty())
      SSL_CTX_set1_sigalgs_list(context_.get(), settings.algorithms.c_str());
    if (settings.certificate) {
      SSL_CTX_use_certificate_file(context_.get(), settings.certificate->certificate.c_str(),
                                   SSL_FILETYPE_PEM);
      SSL_CTX_use_PrivateKey_file(context_.get(), settings.certificate->key.c_str(),
                                  SSL_FILETYPE_PEM);
    }
    ssl_.reset(SSL_new(context_.get()));
    if (!settings.server_name.empty())
      SSL_set_tlsext_host_name(ssl_.get(), settings.server_name.c_str());
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    step();
  }

  void take(std::string_view octets) {
    if (!octets.empty())
      BIO_write(SSL_get_rbio(ssl_.get()), octets.data(), static_cast<int>(octets.size()));
    step();
  }
  std::string give() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &data);
    std::string octets(data, static_cast<size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_.get()));
    return octets;
  }
  void send(std::string_view content) {
    ERR_clear_error();
    EXPECT_EQ(SSL_write(ssl_.get(), content.data(), static_cast<int>(content.size())),
              static_cast<int>(content.size()));
  }
  void say_goodbye() { SSL_shutdown(ssl_.get()); }
  bool done() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  // The certificate of the server: the first DNS name or the common name.
  std::string server_subject() const {
    const io::openssl::Certificate server(SSL_get1_peer_certificate(ssl_.get()));
    return server ? io::openssl::name_text(X509_get_subject_name(server.get())) : "";
  }
  SSL* ssl() { return ssl_.get(); }

  std::string received;  // content
  bool goodbye = false;  // the server's close_notify came
  bool failed = false;

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  void step() {
    ERR_clear_error();
    if (!done()) {
      const int result = SSL_do_handshake(ssl_.get());
      failed = failed || (result != 1 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL);
    }
    char part[16384];
    while (done()) {
      ERR_clear_error();
      const int count = SSL_read(ssl_.get(), part, sizeof part);
      const int error = SSL_get_error(ssl_.get(), count);
      goodbye = goodbye || error == SSL_ERROR_ZERO_RETURN;
      failed = failed || error == SSL_ERROR_SSL;
      if (count <= 0) return;
      received.append(part, static_cast<size_t>(count));
    }
  }

  std::unique_ptr<SSL_CTX, FreeContext> context_;
  io::openssl::Session ssl_;
};

}  // namespace lsmtpd::test
