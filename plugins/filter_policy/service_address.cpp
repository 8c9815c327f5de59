// SPDX-License-Identifier: Apache-2.0
#include "service_address.hpp"

#include <sys/un.h>

#include <charconv>

namespace lsmtpd::policy {
namespace {

constexpr std::string_view kForms = "write inet:HOST:PORT or unix:/PATH";

bool take_unix(std::string_view path, Service& service, std::string& problem) {
  if (path.empty() || path.front() != '/')
    problem = "the path of a UNIX socket begins with a slash";
  else if (path.size() >= sizeof sockaddr_un{}.sun_path)
    problem = "the path of a UNIX socket has at most " +
              std::to_string(sizeof sockaddr_un{}.sun_path - 1) + " octets";
  service.path = path;
  return problem.empty();
}

bool take_inet(std::string_view rest, Service& service, std::string& problem) {
  const size_t colon = rest.rfind(':');
  std::string_view host = rest.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    host = {};  // an IPv6 address without its brackets
  if (colon == std::string_view::npos || host.empty()) {
    problem = std::string(kForms) + ", an IPv6 address in brackets";
    return false;
  }
  const std::string_view digits = rest.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), service.port);
  if (error != std::errc() || end != digits.data() + digits.size() || service.port == 0) {
    problem = "the port is a number from 1 to 65535";
    return false;
  }
  service.host = host;
  return true;
}

}  // namespace

std::optional<Service> parse_service(std::string_view text, std::string& problem) {
  Service service;
  problem.clear();
  bool good = false;
  if (text.substr(0, 5) == "unix:")
    good = take_unix(text.substr(5), service, problem);
  else if (text.substr(0, 5) == "inet:")
    good = take_inet(text.substr(5), service, problem);
  else
    problem = kForms;
  if (!good) return std::nullopt;
  return service;
}

}  // namespace lsmtpd::policy
