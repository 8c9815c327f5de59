// SPDX-License-Identifier: Apache-2.0
#include "io/proxy_block.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace lsmtpd::io {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;

constexpr uint8_t kInet = 1, kInet6 = 2, kUnix = 3;
constexpr uint8_t kStream = 1;

// Types of TLVs, and within PP2_TYPE_SSL.
constexpr uint8_t kAuthority = 0x02, kChecksum = 0x03, kSsl = 0x20;
constexpr uint8_t kSslVersion = 0x21, kSslName = 0x22, kSslCipher = 0x23;
constexpr size_t kType = 3;  // octets of type and length
constexpr size_t kSslFixed = 5;
constexpr uint8_t kBitSsl = 1, kBitCertificate = 2, kBitCertificateOfSession = 4;

size_t address_size(uint8_t family) {
  return family == kInet ? 12 : family == kInet6 ? 36 : family == kUnix ? 216 : 0;
}

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}();

uint8_t octet(std::string_view text, size_t at) {
  return static_cast<uint8_t>(text[at]);
}

uint16_t number16(std::string_view text, size_t at) {
  return static_cast<uint16_t>(octet(text, at) << 8 | octet(text, at + 1));
}

uint32_t number32(std::string_view text, size_t at) {
  return static_cast<uint32_t>(number16(text, at)) << 16 | number16(text, at + 2);
}

}  // namespace

uint32_t crc32c(uint32_t crc, std::string_view octets) {
  crc = ~crc;
  for (const char c : octets) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

bool ProxyBlock::fail(std::string_view fault) {
  fault_ = fault;
  return false;
}

ProxyFound ProxyBlock::read(std::string_view& input) {
  while (take(input)) {
    if (!end_part()) return ProxyFound::fault;
    if (wanted_ == 0 && !next_part())
      return fault_.empty() ? ProxyFound::header : ProxyFound::fault;
  }
  return fault_.empty() ? ProxyFound::nothing : ProxyFound::fault;
}

// Takes octets of the part under way. True: it is complete.
bool ProxyBlock::take(std::string_view& input) {
  const std::string_view taken = input.substr(0, wanted_);
  input.remove_prefix(taken.size());
  wanted_ -= taken.size();
  rest_ -= taken.size();
  if (in_ssl_) ssl_rest_ -= taken.size();
  if (part_ == Part::skip) {
    checksum_ = crc32c(checksum_, taken);
  } else {
    kept_.append(taken);
  }
  if (part_ == Part::fixed) {  // as soon as it is none, whoever waits is to know it
    const size_t compared = std::min(kept_.size(), kSignature.size());
    if (kept_.compare(0, compared, kSignature, 0, compared) != 0) return fail("no PROXY header");
  }
  return wanted_ == 0;
}

void ProxyBlock::expect(Part part, size_t octets) {
  kept_.clear();
  part_ = part;
  wanted_ = octets;
}

bool ProxyBlock::end_part() {
  const bool is_checksum = part_ == Part::value && !in_ssl_ && type_ == kChecksum;
  if (part_ != Part::skip) {
    checksum_ = crc32c(checksum_, is_checksum ? "\0\0\0\0"sv : std::string_view(kept_));
  }
  switch (part_) {
    case Part::fixed:
      return end_fixed();
    case Part::addresses:
      return end_addresses();
    case Part::type:
      return end_type();
    case Part::value:
      end_value();
      break;
    case Part::ssl:
      end_ssl();
      break;
    case Part::skip:
      break;
  }
  return true;
}

// Expects the next TLV. False: the header is complete, or its checksum is wrong.
bool ProxyBlock::next_part() {
  in_ssl_ = in_ssl_ && ssl_rest_ > 0;
  const size_t room = in_ssl_ ? ssl_rest_ : rest_;
  if (room >= kType) {
    expect(Part::type, kType);
    return true;
  }
  if (room > 0) return fail("a TLV is cut off");
  if (given_checksum_ && *given_checksum_ != checksum_) return fail("the CRC32C is wrong");
  return false;
}

bool ProxyBlock::end_fixed() {
  const uint8_t command = octet(kept_, 12);
  family_ = octet(kept_, 13) >> 4;
  rest_ = number16(kept_, 14);
  if (command != 0x20 && command != 0x21) return fail("the version or command is unknown");
  if (family_ > kUnix) return fail("the address family is unknown");
  const bool unknown = command == 0x20 || family_ == 0;
  header_.local = unknown || family_ == kUnix;
  if (unknown) {  // whatever stands there is not to be looked at
    expect(Part::skip, rest_);
  } else if (rest_ < address_size(family_)) {
    return fail("the addresses are cut off");
  } else if ((octet(kept_, 13) & 0xf) != kStream) {
    return fail("the transport is not TCP");
  } else {
    expect(Part::addresses, address_size(family_));
  }
  return true;
}

bool ProxyBlock::end_addresses() {
  if (!header_.local) {
    const bool v6 = family_ == kInet6;
    const size_t size = v6 ? sizeof(in6_addr) : sizeof(in_addr);
    const int family = v6 ? AF_INET6 : AF_INET;
    header_.source = {address_text(family, kept_.data()), number16(kept_, 2 * size)};
    header_.destination = {address_text(family, kept_.data() + size),
                           number16(kept_, 2 * size + 2)};
  }
  wanted_ = 0;
  return true;
}

bool ProxyBlock::end_type() {
  type_ = octet(kept_, 0);
  const size_t size = number16(kept_, 1);
  if (size > (in_ssl_ ? ssl_rest_ : rest_)) return fail("a TLV is cut off");
  const bool text = in_ssl_ ? type_ == kSslVersion || type_ == kSslName || type_ == kSslCipher
                            : type_ == kAuthority;
  if (!in_ssl_ && type_ == kSsl && size >= kSslFixed) {
    in_ssl_ = true;
    ssl_rest_ = size;
    expect(Part::ssl, kSslFixed);
  } else if (!in_ssl_ && type_ == kChecksum) {
    if (size != sizeof(uint32_t) || given_checksum_) return fail("the CRC32C is malformed");
    expect(Part::value, size);
  } else {
    expect(text && size <= ProxyHeader::kLongestText ? Part::value : Part::skip, size);
  }
  return true;
}

void ProxyBlock::end_value() {
  if (!in_ssl_) {
    if (type_ == kChecksum) given_checksum_ = number32(kept_, 0);
    if (type_ == kAuthority) header_.authority = kept_;
    return;
  }
  if (!header_.tls) return;
  if (type_ == kSslVersion) header_.tls->version = kept_;
  if (type_ == kSslCipher) header_.tls->cipher = kept_;
  if (type_ == kSslName && header_.tls->client_certificate) header_.tls->client_name = kept_;
}

// `verify` is 0 without a certificate too: the bits say whether there is one.
void ProxyBlock::end_ssl() {
  const uint8_t bits = octet(kept_, 0);
  if (!(bits & kBitSsl)) return;
  header_.tls = ProxyHeader::Tls();
  header_.tls->client_certificate = bits & (kBitCertificate | kBitCertificateOfSession);
  header_.tls->client_verified = header_.tls->client_certificate && number32(kept_, 1) == 0;
}

}  // namespace lsmtpd::io
