// SPDX-License-Identifier: Apache-2.0
#include "client_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>

#include "url.hpp"

namespace lsmtpd::sink {

namespace {

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

}  // namespace

std::string tls_library_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "unknown error" : reason;
}

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

std::string set_up(SSL_CTX* context, const TlsOptions& options) {
  SSL_CTX_set_min_proto_version(context, options.only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (!trust(context, options.ca)) return "`tls_ca` cannot be read";
  if (!options.certificate.empty() && !present(context, options))
    return "`tls_certificate` or `tls_key` cannot be used: " + tls_library_error();
  return {};
}

// "broker.example." is the same name as without the dot, which no certificate has.
std::string expected_name(const TlsOptions& options, const std::string& host) {
  std::string name = options.name.empty() ? host : options.name;
  if (name.ends_with('.')) name.pop_back();
  return name;
}

bool expect_name(X509_VERIFY_PARAM* parameters, const std::string& name) {
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!is_address(name)) return X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), 0) == 1;
  const std::string plain = name.substr(0, name.find('%'));
  return X509_VERIFY_PARAM_set1_ip_asc(parameters, plain.c_str()) == 1;
}

}  // namespace lsmtpd::sink
