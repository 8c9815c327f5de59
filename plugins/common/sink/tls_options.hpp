// SPDX-License-Identifier: Apache-2.0
// How a sink is spoken to over TLS; see the options of that name.
#pragma once

#include <string>

namespace lsmtpd::sink {

enum class Verify { name, certificate, none };

struct TlsOptions {
  std::string ca;           // file or directory; empty: the system's
  std::string certificate;  // the client's, PEM; empty: none
  std::string key;
  std::string key_password;
  Verify verify = Verify::name;
  std::string name;  // expected in the certificate; empty: the host of the URL
  bool only_1_3 = false;
};

}  // namespace lsmtpd::sink
