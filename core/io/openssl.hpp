// SPDX-License-Identifier: Apache-2.0
// Owners of OpenSSL's objects, and its errors as text. Of core/io only.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace lsmtpd::io::openssl {

template <auto function>
struct Free {
  template <class Object>
  void operator()(Object* object) const {
    function(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;

// The last error of this thread's queue, which is emptied: "no shared cipher".
std::string take_error();
// The SHA-256 of octets, in hexadecimal digits.
std::string sha256_hex(std::string_view octets);
// RFC 4514, UTF-8, at most 1024 octets.
std::string name_text(const X509_NAME* name);
// SHA-256 of the public key's SubjectPublicKeyInfo, in hexadecimal digits.
std::string key_digest(X509* certificate);
std::string to_der(X509* certificate);

}  // namespace lsmtpd::io::openssl
