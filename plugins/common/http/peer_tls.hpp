// SPDX-License-Identifier: Apache-2.0
// How libcurl checks a server and shows itself: the same for requests that wait for a loop and for
// those that block. [any]
#pragma once

#include <curl/curl.h>
#include <sys/stat.h>

#include <string>

#include "peer.hpp"

namespace lsmtpd::http {

// `set` is called with options of curl_easy_setopt() and their values, which live as long as `tls`.
template <class Set>
void set_tls(const PeerTls& tls, const Set& set) {
  if (!tls.ca.empty()) {
    // Both: Debian's libcurl has a default of each, and the one that is left would trust the
    // system's issuers beside the given ones.
    struct stat status {};
    const bool directory = ::stat(tls.ca.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    const char* const none = nullptr;
    set(CURLOPT_CAINFO, directory ? none : tls.ca.c_str());
    set(CURLOPT_CAPATH, directory ? tls.ca.c_str() : none);
  }
  set(CURLOPT_SSL_VERIFYPEER, tls.check_issuer ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, tls.check_name ? 2L : 0L);
  set(CURLOPT_SSLVERSION,
      static_cast<long>(tls.only_tls_1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2));
  if (tls.certificate.empty()) return;
  set(CURLOPT_SSLCERT, tls.certificate.c_str());
  set(CURLOPT_SSLKEY, tls.key.c_str());
  if (!tls.key_password.empty()) set(CURLOPT_KEYPASSWD, tls.key_password.c_str());
}

}  // namespace lsmtpd::http
