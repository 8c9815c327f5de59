// SPDX-License-Identifier: Apache-2.0
// TlsOptions as OpenSSL has them, for Tls and for the TLS of a library (library_tls.hpp).
#pragma once

#include <openssl/types.h>

#include <string>

#include "tls_options.hpp"

namespace lsmtpd::sink {

// Sets versions, trust, certificate and key of a new context. Empty, or which option cannot be
// used. Reads files.
std::string set_up(SSL_CTX* context, const TlsOptions& options);

// The name in the broker's certificate: `tls_name` goes before the URL's host.
std::string expected_name(const TlsOptions& options, const std::string& host);
// The certificate has to have that name, or that address. False: no memory.
bool expect_name(X509_VERIFY_PARAM* parameters, const std::string& name);

// The fault of a certificate (X509_V_ERR_...), in an operator's words.
std::string verify_error(long code);
// OpenSSL's last error on this thread.
std::string tls_library_error();

}  // namespace lsmtpd::sink
