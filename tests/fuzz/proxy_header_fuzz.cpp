// SPDX-License-Identifier: Apache-2.0
// Headers of the PROXY protocol, however they are cut: the cuts change nothing, nothing behind a
// header is eaten, and an address that comes out is one.
#include <arpa/inet.h>

#include <string>

#include "fuzz_input.hpp"
#include "io/proxy_reader.hpp"

namespace {

using namespace lsmtpd;
using Found = io::ProxyHeaderReader::Found;

struct Read {
  Found found = Found::nothing;
  std::string fault;
  io::ProxyHeader header;
  size_t eaten = 0;
};

Read read(std::string_view text, uint8_t seed) {
  io::ProxyHeaderReader reader;
  Read done;
  uint32_t state = seed;
  while (done.eaten < text.size() && done.found == Found::nothing) {
    state = state * 1664525 + 1013904223;
    std::string_view input = text.substr(done.eaten, seed == 0 ? text.size() : 1 + (state >> 28));
    const size_t size = input.size();
    done.found = reader.read(input);
    fuzz::require(input.size() <= size);
    fuzz::require(done.found != Found::nothing || input.empty());
    done.eaten += size - input.size();
  }
  done.header = reader.header();
  done.fault = reader.fault();
  return done;
}

void require_address(const std::string& text) {
  unsigned char octets[sizeof(in6_addr)];
  fuzz::require(inet_pton(AF_INET, text.c_str(), octets) == 1 ||
                inet_pton(AF_INET6, text.c_str(), octets) == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Input input(data, size);
  const Read whole = read(input.text, 0);
  const Read cut = read(input.text, input.seed);
  fuzz::require(whole.found == cut.found && whole.fault == cut.fault);
  fuzz::require(whole.fault.empty() == (whole.found != Found::fault));
  if (whole.found != Found::header) return 0;
  const io::ProxyHeader& header = whole.header;
  fuzz::require(whole.eaten == cut.eaten && whole.eaten <= 16 + 65535);
  fuzz::require(header.source.address == cut.header.source.address &&
                header.source.port == cut.header.source.port);
  fuzz::require(header.authority == cut.header.authority);
  fuzz::require(header.tls.has_value() == cut.header.tls.has_value());
  fuzz::require(header.authority.size() <= io::ProxyHeader::kLongestText);
  if (header.tls) {
    fuzz::require(header.tls->client_name == cut.header.tls->client_name);
    fuzz::require(header.tls->client_name.size() <= io::ProxyHeader::kLongestText);
    fuzz::require(!header.tls->client_verified || header.tls->client_certificate);
  }
  if (header.local) {
    fuzz::require(header.source.address.empty() && header.destination.address.empty());
  } else {
    require_address(header.source.address);
    require_address(header.destination.address);
  }
  return 0;
}
