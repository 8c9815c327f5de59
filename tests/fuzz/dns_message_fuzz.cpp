// SPDX-License-Identifier: Apache-2.0
// DNS answers: no octets break the reader, and names that it returns are printable and bounded.
#include <algorithm>

#include "fuzz_input.hpp"
#include "io/dns_message.hpp"

namespace {

using namespace lsmtpd;

constexpr io::DnsType kTypes[] = {io::DnsType::a, io::DnsType::aaaa, io::DnsType::txt,
                                  io::DnsType::mx, io::DnsType::ptr};

void check(const io::DnsAnswer& answer, io::DnsType type, size_t message) {
  fuzz::require(answer.rcode <= 15 && answer.ttl <= 7u * 24 * 3600);
  for (const auto& record : answer.records) {
    fuzz::require(answer.ttl <= record.ttl);
    if (type == io::DnsType::a) fuzz::require(record.data.size() == 4);
    if (type == io::DnsType::aaaa) fuzz::require(record.data.size() == 16);
    if (type == io::DnsType::txt) fuzz::require(record.data.size() < message);
    if (type != io::DnsType::mx && type != io::DnsType::ptr) continue;
    fuzz::require(record.data.size() <= 4u * 255);
    fuzz::require(std::all_of(record.data.begin(), record.data.end(),
                              [](char c) { return c > 0x20 && c < 0x7f; }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Input input(data, size);
  const io::DnsType type = kTypes[input.flags % std::size(kTypes)];
  const auto answer = io::parse_dns_answer(input.text, "a.example", type);
  if (answer) check(*answer, type, input.text.size());
  if (io::is_domain_name(input.text)) fuzz::require(input.text.size() <= 254);
  return 0;
}
