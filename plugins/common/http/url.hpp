// SPDX-License-Identifier: Apache-2.0
// The URL of a server, as options give it. Pure.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace lsmtpd::http {

struct Url {
  bool tls = false;
  bool own_host = false;  // it stays on this machine
  std::string origin;     // "https://example.org:8443"
  std::string path;       // with the query; never empty
};

// "http://..." or "https://..." without credentials and fragment, or what is wrong with it. The
// path is left as it is written.
tl::expected<Url, std::string> parse_url(const std::string& text);

}  // namespace lsmtpd::http
