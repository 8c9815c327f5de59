// SPDX-License-Identifier: Apache-2.0
// How an HTTP server is checked, and the certificate that it gets. Without libcurl's headers: the
// options of every output know it. [any]
#pragma once

#include <string>

namespace lsmtpd::http {

struct PeerTls {
  std::string ca;           // file or directory of trusted certificates; empty: the system's
  std::string certificate;  // ours, PEM; empty: none
  std::string key;
  std::string key_password;
  bool check_issuer = true;  // of the server's certificate
  bool check_name = true;
  bool only_tls_1_3 = false;
};

}  // namespace lsmtpd::http
