// SPDX-License-Identifier: Apache-2.0
#include "io/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace lsmtpd::io {

std::string address_text(int family, const void* octets) {
  if (family == AF_INET6) {
    in6_addr in6{};
    std::memcpy(&in6, octets, sizeof in6);
    if (IN6_IS_ADDR_V4MAPPED(&in6)) return address_text(AF_INET, &in6.s6_addr[12]);
  }
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, octets, text, sizeof text);
  return text;
}

Endpoint endpoint_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    return {address_text(AF_INET6, &in6.sin6_addr), ntohs(in6.sin6_port)};
  }
  if (address.ss_family == AF_UNIX) {  // the client's socket has no name
    const auto& local = reinterpret_cast<const sockaddr_un&>(address);
    const bool named = local.sun_path[0] == '/';
    return {named ? std::string("unix:") + local.sun_path : "unix", 0};
  }
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return {address_text(AF_INET, &in.sin_addr), ntohs(in.sin_port)};
  }
  return {};
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return endpoint_of(address);
}

std::string Endpoint::text() const {
  if (address.starts_with("unix")) return address;
  const bool v6 = address.find(':') != std::string::npos;
  std::string all;  // each log line has one
  if (v6) all += '[';
  all += address;
  if (v6) all += ']';
  all += ':';
  all += std::to_string(port);
  return all;
}

}  // namespace lsmtpd::io
