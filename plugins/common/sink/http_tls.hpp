// SPDX-License-Identifier: Apache-2.0
// The TLS options of an output as libcurl's side has them.
#pragma once

#include <http/peer.hpp>

#include "tls_options.hpp"

namespace lsmtpd::sink {

inline http::PeerTls http_tls(const TlsOptions& from) {
  http::PeerTls tls;
  tls.ca = from.ca;
  tls.certificate = from.certificate;
  tls.key = from.key;
  tls.key_password = from.key_password;
  tls.check_issuer = from.verify != Verify::none;
  tls.check_name = from.verify == Verify::name;
  tls.only_tls_1_3 = from.only_1_3;
  return tls;
}

}  // namespace lsmtpd::sink
