// SPDX-License-Identifier: Apache-2.0
#include "smtp/sasl.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::smtp {
namespace {

using std::string_view_literals::operator""sv;
using Step = Sasl::Step;

TEST(Base64, IsDecodedStrictly) {
  Secret octets;
  EXPECT_TRUE(decode_base64("AHVzZXIAc2VjcmV0", octets));
  EXPECT_EQ(octets.view(), "\0user\0secret"sv);
  EXPECT_TRUE(decode_base64("", octets));
  EXPECT_TRUE(octets.empty());
  EXPECT_TRUE(decode_base64("+/8=", octets));
  EXPECT_EQ(octets.view(), "\xfb\xff"sv);
  for (const char* bad : {"A", "AB", "ABC", "A===", "====", "AA=A", "AB==", "ABD=", "AA==AAAA",
                          "AAAA ", "A\nAA", "AA-_", "AAAAA"}) {
    EXPECT_FALSE(decode_base64(bad, octets)) << bad;
  }
  EXPECT_FALSE(decode_base64(std::string(4096, 'A'), octets));
}

TEST(Sasl, TakesPlainInTheFirstLineOrAfterAChallenge) {
  Sasl sasl;
  ASSERT_EQ(sasl.begin(Mechanism::plain, "AHVzZXIAc2VjcmV0"), Step::complete);
  EXPECT_EQ(sasl.credentials().user, "user");
  EXPECT_EQ(sasl.credentials().password.view(), "secret");
  EXPECT_EQ(sasl.credentials().authorization, "");
  ASSERT_EQ(sasl.begin(Mechanism::plain, std::nullopt), Step::challenge);
  EXPECT_EQ(sasl.challenge(), "");
  ASSERT_EQ(sasl.respond("Ym9zcwB1c2VyAMPpbQ=="), Step::complete);  // boss, user, C3 E9 6D
  EXPECT_EQ(sasl.credentials().authorization, "boss");
  EXPECT_EQ(sasl.credentials().password.view(), "\xc3\xe9m") << "any octets";
}

TEST(Sasl, RefusesPlainThatIsMalformed) {
  for (const char* bad : {"=", "", "dXNlcg==", "AHVzZXI=", "AAA=", "AHVzZXIA", "AABzZWNyZXQ=",
                          "AHVzZXIAYQBi", "AHVzCmVyAGE=", "AP8AYQ==", "not base64"}) {
    EXPECT_EQ(Sasl().begin(Mechanism::plain, bad), Step::malformed) << bad;
  }
}

TEST(Sasl, LoginAsksForUserAndPassword) {
  Sasl sasl;
  ASSERT_EQ(sasl.begin(Mechanism::login, std::nullopt), Step::challenge);
  EXPECT_EQ(sasl.challenge(), "VXNlcm5hbWU6");
  ASSERT_EQ(sasl.respond("dXNlcg=="), Step::challenge);
  EXPECT_EQ(sasl.challenge(), "UGFzc3dvcmQ6");
  ASSERT_EQ(sasl.respond("c2VjcmV0"), Step::complete);
  EXPECT_EQ(sasl.credentials().user, "user");
  EXPECT_EQ(sasl.credentials().password.view(), "secret");
  ASSERT_EQ(sasl.begin(Mechanism::login, "dXNlcg=="), Step::challenge);
  EXPECT_EQ(sasl.challenge(), "UGFzc3dvcmQ6");
  EXPECT_EQ(sasl.respond(""), Step::malformed);
}

TEST(Sasl, ExternalMayNameAnIdentity) {
  Sasl sasl;
  EXPECT_EQ(sasl.begin(Mechanism::external, "="), Step::complete);
  EXPECT_EQ(sasl.credentials().authorization, "");
  EXPECT_EQ(sasl.begin(Mechanism::external, "dXNlcg=="), Step::complete);
  EXPECT_EQ(sasl.credentials().authorization, "user");
  EXPECT_EQ(sasl.begin(Mechanism::external, std::nullopt), Step::challenge);
  EXPECT_EQ(sasl.respond(""), Step::complete);
}

TEST(Sasl, AStarCancels) {
  Sasl sasl;
  ASSERT_EQ(sasl.begin(Mechanism::login, std::nullopt), Step::challenge);
  EXPECT_EQ(sasl.respond("*"), Step::cancelled);
}

TEST(Mechanisms, AreFoundWhateverTheLetters) {
  EXPECT_EQ(mechanism_named("plain"), Mechanism::plain);
  EXPECT_EQ(mechanism_named("CRAM-MD5"), std::nullopt);
  EXPECT_EQ(mechanism_name(Mechanism::external), "EXTERNAL");
}

}  // namespace
}  // namespace lsmtpd::smtp
