// SPDX-License-Identifier: Apache-2.0
#include "io/dns_message.hpp"

#include <gmock/gmock.h>

#include "dns_server.hpp"

namespace lsmtpd::io {
namespace {

using test::big_endian;
using test::dns_name;
using test::DnsReply;
using testing::ElementsAre;

const std::string kLoopback2("\x7f\0\0\2", 4);
constexpr uint16_t kA = 1, kCname = 5, kPtr = 12, kMx = 15, kTxt = 16, kAaaa = 28;

DnsReply reply(std::string_view name = "a.example", uint16_t type = kA) {
  return {"id", dns_name(name) + big_endian(type, 2) + big_endian(1, 2)};
}
DnsAnswer parsed(const DnsReply& from, DnsType type = DnsType::a,
                 std::string_view name = "a.example") {
  auto answer = parse_dns_answer(from.octets(), name, type);
  if (!answer) ADD_FAILURE() << answer.error().message;
  return answer.value_or(DnsAnswer{});
}
std::vector<std::string> data_of(const DnsAnswer& answer) {
  std::vector<std::string> all;
  for (const auto& record : answer.records) all.push_back(record.data);
  return all;
}
bool malformed(const std::string& message, DnsType type = DnsType::a) {
  return !parse_dns_answer(message, "a.example", type);
}

TEST(DnsMessage, HasTheRecordsOfItsNameWithTheirTtl) {
  const auto answer = parsed(reply()
                                 .record("A.example", kA, 300, kLoopback2)
                                 .record("a.EXAMPLE", kA, 60, std::string("\x7f\0\0\4", 4))
                                 .record("b.example", kA, 5, kLoopback2));
  EXPECT_EQ(answer.status, DnsAnswer::Status::answered);
  EXPECT_EQ(answer.rcode, 0u);
  EXPECT_EQ(answer.ttl, 60u);
  EXPECT_THAT(data_of(answer), ElementsAre(kLoopback2, std::string("\x7f\0\0\4", 4)));
  EXPECT_EQ(answer.records[0].ttl, 300u);
}

TEST(DnsMessage, AliasesAreFollowedInAnyOrderAndLowerTheTtl) {
  const auto answer = parsed(reply()
                                 .record("c.example", kA, 300, kLoopback2)
                                 .record("b.example", kCname, 20, dns_name("c.example"))
                                 .record("a.example", kCname, 100, dns_name("B.example")));
  EXPECT_THAT(data_of(answer), ElementsAre(kLoopback2));
  EXPECT_EQ(answer.ttl, 20u);
}

TEST(DnsMessage, CircleOfAliasesIsMalformed) {
  EXPECT_TRUE(malformed(reply()
                            .record("a.example", kCname, 1, dns_name("b.example"))
                            .record("b.example", kCname, 1, dns_name("a.example"))
                            .octets()));
}

TEST(DnsMessage, TextsAreJoined) {
  const auto answer = parsed(reply().record("a.example", kTxt, 1, "\6listed\3 by"), DnsType::txt);
  EXPECT_THAT(data_of(answer), ElementsAre("listed by"));
}

TEST(DnsMessage, MailExchangersAndNamesAreReadThroughPointers) {
  const auto mx =
      parsed(reply().record("a.example", kMx, 1, big_endian(10, 2) + "\2mx\xc0\x0c"), DnsType::mx);
  EXPECT_THAT(data_of(mx), ElementsAre("mx.a.example"));
  EXPECT_EQ(mx.records[0].preference, 10);
  const auto null = parsed(reply().record("a.example", kMx, 1, std::string(3, '\0')), DnsType::mx);
  EXPECT_THAT(data_of(null), ElementsAre(""));
  const auto ptr =
      parsed(reply().record("a.example", kPtr, 1, "\3h.\t" + dns_name("example")), DnsType::ptr);
  EXPECT_THAT(data_of(ptr), ElementsAre("h\\.\\009.example"));
}

TEST(DnsMessage, WithoutRecordsHasTheTtlOfItsZone) {
  EXPECT_EQ(parsed(reply().rcode(3).soa("example", 900, 60)).ttl, 60u);
  EXPECT_EQ(parsed(reply().rcode(3).soa("example", 30, 60)).ttl, 30u);
  EXPECT_EQ(parsed(reply().rcode(3)).ttl, 0u);
  EXPECT_EQ(parsed(reply().rcode(3)).rcode, 3u);
  EXPECT_EQ(parsed(reply().record("a.example", kAaaa, 9, std::string(16, '\1'))).ttl, 0u);
}

TEST(DnsMessage, TtlOfManyYearsIsNone) {
  EXPECT_EQ(parsed(reply().record("a.example", kA, 0x80000000u, kLoopback2)).ttl, 0u);
  EXPECT_EQ(parsed(reply().record("a.example", kA, 0x7fffffffu, kLoopback2)).ttl, 7u * 24 * 3600);
}

TEST(DnsMessage, EveryCutIsMalformed) {
  const std::string whole =
      reply().record("a.example", kMx, 1, big_endian(10, 2) + "\2mx\xc0\x0c").octets();
  ASSERT_FALSE(malformed(whole, DnsType::mx));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(malformed(whole.substr(0, size), DnsType::mx)) << size;
}

TEST(DnsMessage, NamesThatDoNotEndAreMalformed) {
  std::string head = reply().octets();
  head[7] = 1;  // one answer
  const std::string tail =
      big_endian(1, 2) + big_endian(1, 2) + big_endian(5, 4) + big_endian(4, 2) + kLoopback2;
  for (const std::string& owner :
       {std::string("\xc0\x1b"), std::string("\xc0\xff"), std::string("\xff\xff"),
        std::string("\x40"), std::string("\x80")})
    EXPECT_TRUE(malformed(head + owner + tail));
  std::string endless;
  for (int i = 0; i < 130; ++i) endless += "\1a";
  EXPECT_TRUE(malformed(head + endless + '\0' + tail));
}

TEST(DnsMessage, DataOfTheWrongLengthIsMalformed) {
  EXPECT_TRUE(malformed(reply().record("a.example", kA, 1, "\x7f").octets()));
  EXPECT_TRUE(malformed(reply().record("a.example", kAaaa, 1, kLoopback2).octets(), DnsType::aaaa));
  EXPECT_TRUE(malformed(reply().record("a.example", kTxt, 1, "\x09short").octets(), DnsType::txt));
  EXPECT_TRUE(
      malformed(reply().record("a.example", kPtr, 1, dns_name("b") + "x").octets(), DnsType::ptr));
}

TEST(DnsMessage, QuestionIsNoAnswer) {
  std::string question = reply().octets();
  question[2] = 1;
  EXPECT_TRUE(malformed(question));
}

TEST(DnsMessage, NamesOfQuestionsHaveLabelsOfLettersDigitsAndAFewSigns) {
  for (const std::string& good : {std::string("a"), std::string("A-1._x.1/2.*"), std::string("a."),
                                  std::string(63, 'a') + ".b"})
    EXPECT_TRUE(is_domain_name(good)) << good;
  std::string longest;
  while (longest.size() < 253) longest += "a.";
  EXPECT_TRUE(is_domain_name(longest.substr(0, 253)));
  EXPECT_FALSE(is_domain_name("ab." + longest.substr(0, 251)));
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a b"),
        std::string("a\\b"), std::string("a\0b", 3), std::string(64, 'a'), std::string("\xc3\xa4")})
    EXPECT_FALSE(is_domain_name(bad)) << bad;
}

}  // namespace
}  // namespace lsmtpd::io
