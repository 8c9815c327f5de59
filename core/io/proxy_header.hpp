// SPDX-License-Identifier: Apache-2.0
// The facts of a PROXY header, version 1 or 2, that a proxy sends before the octets of its client
// (haproxy's doc/proxy-protocol.txt). proxy_reader.hpp reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/endpoint.hpp"

namespace lsmtpd::io {

struct ProxyHeader {
  // The TLS session that the proxy ended (PP2_TYPE_SSL with PP2_CLIENT_SSL). A text of more than
  // kLongestText octets counts as absent.
  struct Tls {
    std::string version;              // "TLSv1.3"
    std::string cipher;               // "TLS_AES_256_GCM_SHA384"
    std::string client_name;          // common name of the client's certificate
    bool client_certificate = false;  // the client gave one, in this session or an earlier one
    bool client_verified = false;     // and the proxy trusts it
  };
  static constexpr size_t kLongestText = 255;

  // True: there is no client address, as for a health check (LOCAL, UNKNOWN) or a client on a UNIX
  // socket. The addresses are empty.
  bool local = false;
  Endpoint source;        // the client
  Endpoint destination;   // the address that it connected to
  std::string authority;  // server name that the client asked for; may be empty
  std::optional<Tls> tls;
};

// How far a reader of a header came.
enum class ProxyFound : uint8_t { nothing, header, fault };

}  // namespace lsmtpd::io
