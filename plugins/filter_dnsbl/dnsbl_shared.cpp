// SPDX-License-Identifier: Apache-2.0
#include "dnsbl_shared.hpp"

namespace filter_dnsbl {

std::vector<Code> codes_of(const lsmtpd_dns_answer& answer) {
  std::vector<Code> codes;
  for (const lsmtpd_dns_record& record : sdk::DnsRecords(answer)) {
    if (record.data.size != 4) continue;
    Code code = 0;
    for (int i = 0; i < 4; ++i) code = code << 8 | static_cast<unsigned char>(record.data.data[i]);
    codes.push_back(code);
  }
  return codes;
}

bool is_answer(const lsmtpd_dns_answer& answer) {
  return answer.status == LSMTPD_DNS_ANSWERED && (answer.rcode == 0 || answer.rcode == 3);
}

std::string failure_text(const lsmtpd_dns_answer& answer) {
  if (answer.status != LSMTPD_DNS_ANSWERED) return std::string(sdk::view(answer.error));
  if (answer.rcode == 2) return "SERVFAIL";
  if (answer.rcode == 5) return "REFUSED";
  return "rcode " + std::to_string(answer.rcode);
}

}  // namespace filter_dnsbl
