// SPDX-License-Identifier: Apache-2.0
// A certificate and its key from their files, and the facts that operators ask for. Of core/io
// only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/openssl.hpp"
#include "io/tls_context.hpp"

namespace lsmtpd::io {

struct FreeChain {
  void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
};
using CertificateChain = std::unique_ptr<STACK_OF(X509), FreeChain>;

// A certificate as it is read from its files.
struct LoadedCertificate {
  openssl::Certificate certificate;
  CertificateChain issuers;
  openssl::PrivateKey key;
};

// An error names the file, and says whether the key fits.
Result<LoadedCertificate> load_certificate(const TlsFiles& files);
// `file`: where `certificate` came from.
CertificateInfo info_of(const std::string& file, X509* certificate);

// As certificates are compared with it: lower case, without a final dot.
std::string host_name(std::string_view name);
// "*.example.org" for "mx.example.org"; empty: there is no label to stand for.
std::string as_wildcard(std::string_view host);

}  // namespace lsmtpd::io
