// SPDX-License-Identifier: Apache-2.0
// output_http on the fake host, against a server whose answers a test says octet by octet.
#pragma once

#include "http_service.hpp"
#include "output_rig.hpp"

namespace lsmtpd::output_http::test {

using lsmtpd::test::http_answer;
using lsmtpd::test::HttpService;

class Rig : public lsmtpd::test::OutputRig {
 public:
  Rig& option(const char* key, const std::string& value) {
    OutputRig::option(key, value);
    return *this;
  }
  // Time runs: libcurl has a clock of its own.
  void open(const HttpService& server, const std::string& path = "") {
    option("url", server.url() + path);
    ASSERT_EQ(start(), 0) << errors();
    lsmtpd_test_real_time(raw(), 1);
  }
  std::string reason() {
    const lsmtpd_admission asked = admission();
    return std::string(asked.reason.data, asked.reason.size);
  }
  static bool in_doubt(const lsmtpd_test_verdict& verdict) {
    return (verdict.flags & LSMTPD_IN_DOUBT) != 0;
  }
};

inline HttpService::Handler always(const std::string& status, const std::string& body = {}) {
  return [=](const std::string&) { return http_answer(status, body); };
}
inline std::string large_mail() {
  std::string content;
  for (int i = 0; content.size() < 1'500'000; ++i) content += "line " + std::to_string(i) + "\r\n";
  return content;
}

inline std::string ended(const std::string& octets = {}) {
  return octets + std::string(HttpService::kEnd);
}

// The value of a field of a request.
inline std::string field_of(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ":");
  if (at == request.npos) return "(none)";
  const std::size_t begin = at + name.size() + 3;
  const std::string value = request.substr(begin, request.find("\r\n", begin) - begin);
  return value.substr(std::min(value.find_first_not_of(' '), value.size()));
}
inline std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

}  // namespace lsmtpd::output_http::test
