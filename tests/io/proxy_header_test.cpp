// SPDX-License-Identifier: Apache-2.0
// Headers as real proxies send them, whole and octet by octet, and everything that must be refused.
#include "io/proxy_reader.hpp"

#include <gtest/gtest.h>

#include "proxy_headers.hpp"

namespace lsmtpd::io {
namespace {

using std::string_view_literals::operator""sv;
using Found = ProxyHeaderReader::Found;
using test::inet;
using test::number16;
using test::tlv;
using test::v2;
using test::with_checksum;
using std::string_literals::operator""s;

struct Read {
  Found found = Found::nothing;
  ProxyHeader header;
  std::string fault;
  std::string rest;
};

// In pieces of so many octets.
Read read(std::string_view octets, size_t piece) {
  ProxyHeaderReader reader;
  while (!octets.empty()) {
    std::string_view input = octets.substr(0, piece);
    const size_t size = input.size();
    const Found found = reader.read(input);
    octets.remove_prefix(size - input.size());
    if (found == Found::nothing) {
      EXPECT_TRUE(input.empty()) << "input is left where nothing was found";
      continue;
    }
    return {found, reader.header(), std::string(reader.fault()), std::string(octets)};
  }
  return {};
}

Read read(std::string_view octets) {
  const Read whole = read(octets, octets.size());
  for (size_t piece = 1; piece < octets.size() && piece < 20; ++piece) {
    const Read cut = read(octets, piece);
    EXPECT_EQ(cut.found, whole.found) << "in pieces of " << piece;
    EXPECT_EQ(cut.fault, whole.fault) << "in pieces of " << piece;
    EXPECT_EQ(cut.header.source.text(), whole.header.source.text());
    if (whole.found == Found::header) {
      EXPECT_EQ(cut.rest, whole.rest) << "in pieces of " << piece;
    }
  }
  return whole;
}

std::string fault(std::string_view octets) {
  const Read done = read(octets);
  EXPECT_EQ(done.found, Found::fault);
  return done.fault;
}

TEST(ProxyHeader, Version1NamesBothEnds) {
  const Read four = read("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO x\r\n");
  ASSERT_EQ(four.found, Found::header) << four.fault;
  EXPECT_EQ(four.header.source.text(), "192.0.2.1:56324");
  EXPECT_EQ(four.header.destination.text(), "198.51.100.2:25");
  EXPECT_FALSE(four.header.local);
  EXPECT_EQ(four.rest, "EHLO x\r\n");
  const Read six = read("PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n");
  ASSERT_EQ(six.found, Found::header) << six.fault;
  EXPECT_EQ(six.header.source.text(), "[2001:db8::1]:65535");
  EXPECT_EQ(six.rest, "");
}

TEST(ProxyHeader, AnIPv4AddressWithinIPv6IsTheIPv4Address) {
  EXPECT_EQ(read("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n").header.source.address, "192.0.2.1");
  const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\x00\x02\x01"s;
  EXPECT_EQ(read(v2(0x21, 0x21, mapped + std::string(16, '\0') + "\0\1\0\2"s)).header.source.text(),
            "192.0.2.1:1");
}

TEST(ProxyHeader, Version1UnknownIsLocalWhateverFollows) {
  for (const char* line : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ::1 65535 65535\r\n"}) {
    const Read done = read(line);
    EXPECT_EQ(done.found, Found::header) << done.fault;
    EXPECT_TRUE(done.header.local);
    EXPECT_EQ(done.header.source.address, "");
  }
}

TEST(ProxyHeader, FaultsOfVersion1AreNamed) {
  EXPECT_EQ(fault("EHLO client.example\r\n"), "no PROXY header");
  EXPECT_EQ(fault("PROXX TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "no PROXY header");
  EXPECT_EQ(fault("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), "the protocol is not TCP4 or TCP6");
  EXPECT_EQ(fault("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "the protocol is not TCP4 or TCP6");
  EXPECT_EQ(fault("PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "no PROXY header");
  for (const char* words :
       {"TCP4 1.2.3 1.2.3.4 1 2", "TCP4 ::1 ::1 1 2", "TCP6 1.2.3.4 1.2.3.4 1 2", "TCP4", "TCP4 ",
        "TCP4 1.2.3.4", "TCP4  1.2.3.4 1.2.3.4 1 2", "TCP4 1.2.3.4x 1.2.3.4 1 2"}) {
    EXPECT_EQ(fault("PROXY " + std::string(words) + "\r\n"), "an address is malformed") << words;
  }
  for (const char* words : {"1", "1 ", "1 65536", "01 2", "+1 2", "-1 2", "1 2 3", "1 2 ", "x y"}) {
    EXPECT_EQ(fault("PROXY TCP4 1.2.3.4 1.2.3.4 " + std::string(words) + "\r\n"),
              "a port is malformed")
        << words;
  }
  EXPECT_EQ(fault("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"),
            "the line of version 1 does not end in CRLF");
  EXPECT_EQ(fault("PROXY UNKNOWN" + std::string(107, ' ')), "the line of version 1 does not end");
  EXPECT_EQ(fault("PROXY TCP4 1.2.3.4\0.5 1.2.3.4 1 2\r\n"sv), "an address is malformed");
}

TEST(ProxyHeader, TheLongestLineOfVersion1IsTaken) {
  const std::string address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string line = "PROXY UNKNOWN " + address + " " + address + " 65535 65535\r\n";
  ASSERT_EQ(line.size(), 107u);
  EXPECT_EQ(read(line).found, Found::header);
}

TEST(ProxyHeader, Version2NamesBothEnds) {
  const Read four = read(v2(0x21, 0x11, inet()) + "EHLO x\r\n");
  ASSERT_EQ(four.found, Found::header) << four.fault;
  EXPECT_EQ(four.header.source.text(), "192.0.2.1:56324");
  EXPECT_EQ(four.header.destination.text(), "198.51.100.2:25");
  EXPECT_EQ(four.rest, "EHLO x\r\n");
  EXPECT_FALSE(four.header.tls);
  const std::string one = std::string("\x20\x01\x0d\xb8") + std::string(11, '\0') + "\1";
  const Read six = read(v2(0x21, 0x21, one + one + "\0\1\0\2"s));
  ASSERT_EQ(six.found, Found::header) << six.fault;
  EXPECT_EQ(six.header.source.text(), "[2001:db8::1]:1");
  EXPECT_EQ(six.header.destination.text(), "[2001:db8::1]:2");
}

TEST(ProxyHeader, LocalAndUnspecifiedHaveNoAddress) {
  for (const std::string& octets :
       {v2(0x20, 0x00, ""), v2(0x20, 0x11, inet()), v2(0x20, 0x11, "junk"), v2(0x21, 0x00, ""),
        v2(0x21, 0x00, "what an unknown family has"), v2(0x20, 0x00, "\1\377\377")}) {
    const Read done = read(octets + "rest");
    EXPECT_EQ(done.found, Found::header) << done.fault;
    EXPECT_TRUE(done.header.local);
    EXPECT_EQ(done.header.source.address, "");
    EXPECT_EQ(done.rest, "rest");
  }
}

TEST(ProxyHeader, ClientsOnUnixSocketsHaveNoAddress) {
  const Read done = read(v2(0x21, 0x31, std::string(216, 'p') + tlv(0x02, "mx.example")) + "rest");
  EXPECT_EQ(done.found, Found::header) << done.fault;
  EXPECT_TRUE(done.header.local);
  EXPECT_EQ(done.header.authority, "mx.example");
  EXPECT_EQ(done.rest, "rest");
  EXPECT_EQ(fault(v2(0x21, 0x31, std::string(215, 'p'))), "the addresses are cut off");
}

TEST(ProxyHeader, FaultsOfVersion2AreNamed) {
  EXPECT_EQ(fault("\r\n\r\n\0\r\nQUIX\n"sv), "no PROXY header");
  EXPECT_EQ(fault("\r\nEHLO x"), "no PROXY header");
  EXPECT_EQ(fault(v2(0x11, 0x11, inet())), "the version or command is unknown");
  EXPECT_EQ(fault(v2(0x22, 0x11, inet())), "the version or command is unknown");
  EXPECT_EQ(fault(v2(0x21, 0x41, inet())), "the address family is unknown");
  EXPECT_EQ(fault(v2(0x21, 0x12, inet())), "the transport is not TCP");
  EXPECT_EQ(fault(v2(0x21, 0x10, inet())), "the transport is not TCP");
  EXPECT_EQ(fault(v2(0x21, 0x11, inet().substr(1))), "the addresses are cut off");
  EXPECT_EQ(fault(v2(0x21, 0x21, inet())), "the addresses are cut off");
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + "\x02\0"s)), "a TLV is cut off");
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + "\x02\0\2x"s)), "a TLV is cut off");
}

TEST(ProxyHeader, UnknownTlvsAreSkipped) {
  const std::string tlvs = tlv(0x04, "") + tlv(0xea, std::string(60'000, 'x')) + tlv(0x05, "id") +
                           tlv(0x02, "mx.example.com");
  const Read done = read(v2(0x21, 0x11, inet() + tlvs) + "rest");
  ASSERT_EQ(done.found, Found::header) << done.fault;
  EXPECT_EQ(done.header.authority, "mx.example.com");
  EXPECT_EQ(done.rest, "rest");
}

TEST(ProxyHeader, TheChecksumIsChecked) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);
  const std::string good = with_checksum(
      v2(0x21, 0x11,
         inet() + tlv(0x02, "a.example") + tlv(0x03, "\0\0\0\0"s) + tlv(0xea, "behind it")));
  EXPECT_EQ(read(good + "rest").found, Found::header) << read(good).fault;
  const size_t type = good.find("\x03\0\4"s);
  for (size_t at = 16; at < good.size(); ++at) {  // an octet changed anywhere
    if (at == type) continue;                     // which would leave no checksum
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_NE(read(bad, bad.size()).found, Found::header) << at;
  }
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + tlv(0x03, "\0\0\0\0"s))), "the CRC32C is wrong");
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + tlv(0x03, "\0\0\0"s))), "the CRC32C is malformed");
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + tlv(0x03, "abcd") + tlv(0x03, "abcd"))),
            "the CRC32C is malformed");
}

std::string ssl(char bits, uint8_t verify, const std::string& more) {
  return tlv(0x20, std::string(1, bits) + std::string(3, '\0') +
                       std::string(1, static_cast<char>(verify)) + more);
}

TEST(ProxyHeader, TlsIsThereOnlyWithTheClientBit) {
  const std::string facts = tlv(0x21, "TLSv1.3") + tlv(0x23, "TLS_AES_256_GCM_SHA384") +
                            tlv(0x25, "RSA2048") + tlv(0x24, "SHA256");
  const Read done = read(v2(0x21, 0x11, inet() + ssl(1, 0, facts) + tlv(0x02, "mx")));
  ASSERT_TRUE(done.header.tls) << done.fault;
  EXPECT_EQ(done.header.tls->version, "TLSv1.3");
  EXPECT_EQ(done.header.tls->cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_FALSE(done.header.tls->client_certificate);
  EXPECT_FALSE(done.header.tls->client_verified) << "verify is 0 without a certificate too";
  EXPECT_EQ(done.header.authority, "mx");
  EXPECT_FALSE(read(v2(0x21, 0x11, inet() + ssl(0, 0, facts))).header.tls);
  EXPECT_FALSE(read(v2(0x21, 0x11, inet() + ssl(6, 0, facts))).header.tls);
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + ssl(1, 0, "\x21\0"s))), "a TLV is cut off");
  EXPECT_EQ(fault(v2(0x21, 0x11, inet() + ssl(1, 0, "\x21\0\1"s) + tlv(0x04, "x"))),
            "a TLV is cut off");
}

TEST(ProxyHeader, ACertificateIsVerifiedOnlyWhereThereIsOne) {
  const auto of = [](char bits, uint8_t verify) {
    return *read(v2(0x21, 0x11, inet() + ssl(bits, verify, tlv(0x22, "device 7")))).header.tls;
  };
  EXPECT_EQ(of(3, 0).client_name, "device 7");
  EXPECT_TRUE(of(3, 0).client_verified);
  EXPECT_TRUE(of(5, 0).client_verified) << "given in an earlier session";
  EXPECT_FALSE(of(3, 1).client_verified);
  EXPECT_EQ(of(1, 0).client_name, "");
}

TEST(ProxyHeader, ATextThatIsTooLongCountsAsAbsent) {
  const Read done =
      read(v2(0x21, 0x11,
              inet() + tlv(0x02, std::string(256, 'a')) +
                  ssl(3, 0, tlv(0x22, std::string(256, 'n')) + tlv(0x21, "TLSv1.2"))));
  ASSERT_TRUE(done.header.tls) << done.fault;
  EXPECT_EQ(done.header.authority, "");
  EXPECT_EQ(done.header.tls->client_name, "");
  EXPECT_EQ(done.header.tls->version, "TLSv1.2");
}

}  // namespace
}  // namespace lsmtpd::io
