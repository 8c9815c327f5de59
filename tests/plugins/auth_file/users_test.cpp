// SPDX-License-Identifier: Apache-2.0
#include "users.hpp"

#include <crypt.h>
#include <gtest/gtest.h>

#include <ctime>
#include <memory>

namespace auth_file {
namespace {

std::string hash(const char* prefix, unsigned long cost, const char* password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  const auto data = std::make_unique<crypt_data>();
  EXPECT_NE(crypt_gensalt_rn(prefix, cost, nullptr, 0, setting, sizeof setting), nullptr);
  return crypt_r(password, setting, data.get());
}

std::string problem(const std::string& text) {
  return Users().parse(text);
}

TEST(Users, EachKindOfHashIsChecked) {
  Users users;
  ASSERT_EQ(users.parse("# users\n\nbcrypt:" + hash("$2b$", 4, "one") + "\r\nyescrypt:" +
                        hash("$y$", 1, "two") + "\nsha:" + hash("$6$", 1000, "three") + "\n"),
            "");
  EXPECT_EQ(users.size(), 3u);
  EXPECT_EQ(users.check("bcrypt", "one"), Checked::right);
  EXPECT_EQ(users.check("yescrypt", "two"), Checked::right);
  EXPECT_EQ(users.check("sha", "three"), Checked::right);
  EXPECT_EQ(users.check("bcrypt", "two"), Checked::wrong);
  EXPECT_EQ(users.check("Bcrypt", "one"), Checked::unknown);
  EXPECT_EQ(users.check("", "one"), Checked::unknown);
  EXPECT_EQ(users.check("bcrypt", std::string(2000, 'x')), Checked::wrong);
}

TEST(Users, NamesMayHaveColons) {
  Users users;
  ASSERT_EQ(users.parse("a:b:" + hash("$2b$", 4, "x")), "");
  EXPECT_EQ(users.check("a:b", "x"), Checked::right);
}

TEST(Users, LockedUsersAreKnownAndNeverRight) {
  Users users;
  ASSERT_EQ(users.parse("a:!" + hash("$2b$", 4, "x") + "\nb:*\n"), "");
  EXPECT_EQ(users.check("a", "x"), Checked::wrong);
  EXPECT_EQ(users.check("b", "*"), Checked::wrong);
}

TEST(Users, MistakesNameTheLineAndShowNothingOfIt) {
  EXPECT_EQ(problem("a:secret\n"), "1: the hash is not bcrypt, yescrypt or SHA-512");
  EXPECT_EQ(problem("\n# x\nsecret\n"), "3: write NAME:HASH");
  EXPECT_EQ(problem(":x"), "1: write NAME:HASH");
  EXPECT_EQ(problem("a:"), "1: the hash is not bcrypt, yescrypt or SHA-512");
  EXPECT_EQ(problem("a:$1$salt$hash"), "1: the hash is not bcrypt, yescrypt or SHA-512");
  const std::string line = "a:" + hash("$2b$", 4, "x") + "\n";
  EXPECT_EQ(problem(line + line), "2: this user has a password already");
  EXPECT_EQ(problem("a:{cert-sha256}12\n"), "1: a fingerprint has 64 hexadecimal digits");
}

TEST(Users, CertificatesBelongToUsers) {
  Users users;
  const std::string one(64, 'a'), two = "AB:" + std::string(62, 'c');
  ASSERT_EQ(users.parse("dev:{cert-sha256}" + one + "\ndev:{cert-sha256}" + two + "\n"), "");
  EXPECT_EQ(users.user_of(std::string(64, 'A')), "dev");
  EXPECT_EQ(users.user_of("ab" + std::string(62, 'c')), "dev");
  EXPECT_EQ(users.user_of(std::string(64, 'd')), "");
  EXPECT_EQ(users.user_of(""), "");
  EXPECT_EQ(users.check("dev", ""), Checked::unknown);
}

TEST(Users, TheMostExpensiveHashHasTheMostRounds) {
  const std::string bcrypt(53, 'x');
  EXPECT_GT(cost_of("$2b$10$" + bcrypt), cost_of("$2b$04$" + bcrypt));
  EXPECT_GT(cost_of("$6$rounds=500000$salt$x"), cost_of("$2b$10$" + bcrypt));
  EXPECT_NEAR(cost_of("$y$j9T$salt$x"), 23'000, 8000);
}

// By the processor's time: a machine that is busy must not decide it.
TEST(Users, AnUnknownUserTakesTheTimeOfTheMostExpensiveHash) {
  Users users;
  ASSERT_EQ(users.parse("cheap:" + hash("$2b$", 4, "x") + "\ndear:" + hash("$2b$", 9, "x")), "");
  const auto time_of = [&](const char* user) {
    const std::clock_t begin = std::clock();
    for (int i = 0; i < 3; ++i) users.check(user, "wrong");
    return static_cast<double>(std::clock() - begin);
  };
  const double dear = time_of("dear"), unknown = time_of("unknown");
  EXPECT_GT(unknown, 0.7 * dear);
  EXPECT_LT(unknown, 1.5 * dear);
  EXPECT_GT(unknown, 4 * time_of("cheap"));
}

}  // namespace
}  // namespace auth_file
