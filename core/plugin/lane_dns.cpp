// SPDX-License-Identifier: Apache-2.0
// lsmtpd.dns/1 of a lane.
#include "plugin/lane_extensions.hpp"

namespace lsmtpd::plugin {

namespace {

bool is_known(uint32_t type) {
  for (const io::DnsType one :
       {io::DnsType::a, io::DnsType::ptr, io::DnsType::mx, io::DnsType::txt, io::DnsType::aaaa}) {
    if (static_cast<uint32_t>(one) == type) return true;
  }
  return false;
}
static_assert(LSMTPD_DNS_A == static_cast<uint32_t>(io::DnsType::a) &&
              LSMTPD_DNS_PTR == static_cast<uint32_t>(io::DnsType::ptr) &&
              LSMTPD_DNS_MX == static_cast<uint32_t>(io::DnsType::mx) &&
              LSMTPD_DNS_TXT == static_cast<uint32_t>(io::DnsType::txt) &&
              LSMTPD_DNS_AAAA == static_cast<uint32_t>(io::DnsType::aaaa));

uint32_t status_of(io::DnsAnswer::Status status) {
  switch (status) {
    case io::DnsAnswer::Status::answered:
      return LSMTPD_DNS_ANSWERED;
    case io::DnsAnswer::Status::timeout:
      return LSMTPD_DNS_TIMEOUT;
    default:
      return LSMTPD_DNS_FAILED;
  }
}

void hand_on(const io::DnsAnswer& answer, lsmtpd_dns_done done, void* data) {
  std::vector<lsmtpd_dns_record> records;
  records.reserve(answer.records.size());
  for (const auto& record : answer.records)
    records.push_back({record.ttl, record.preference, str(record.data)});
  const lsmtpd_dns_answer abi{.size = sizeof(lsmtpd_dns_answer),
                              .status = status_of(answer.status),
                              .rcode = answer.rcode,
                              .ttl = answer.ttl,
                              .records = records.data(),
                              .stride = sizeof(lsmtpd_dns_record),
                              .count = static_cast<uint32_t>(records.size()),
                              .error = str(answer.error)};
  done(data, &abi);
}

}  // namespace

uint64_t LaneExtensions::dns_query(const lsmtpd_host* host, lsmtpd_str name, uint32_t type,
                                   uint64_t deadline_ms, lsmtpd_dns_done done, void* data) {
  if (!given(host, done != nullptr, "query")) return 0;
  Lane* const open = on_loop(host, "query");
  if (!open || !is_known(type)) return 0;
  Lane& lane = *open;
  auto& resolver = lane.resources_->dns;
  if (!resolver) {
    resolver = std::make_unique<io::DnsResolver>(lane.loop_, lane.instance_.process_.resolvers,
                                                 lane.instance_.dns_limit_);
  }
  return resolver->query(view(name), static_cast<io::DnsType>(type), deadline_ms,
                         [&lane, done, data](const io::DnsAnswer& answer) {
                           call_back(lane, "a DNS answer", [&] { hand_on(answer, done, data); });
                         });
}

void LaneExtensions::dns_cancel(const lsmtpd_host* host, uint64_t query) {
  do_on_loop(host, "cancel", [query](Lane& lane) {
    if (lane.resources_->dns) lane.resources_->dns->cancel(query);
  });
}

}  // namespace lsmtpd::plugin
