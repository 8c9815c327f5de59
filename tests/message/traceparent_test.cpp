// SPDX-License-Identifier: Apache-2.0
#include "message/traceparent.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/uuid.hpp"

namespace lsmtpd::message {
namespace {

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kParent = "00f067aa0ba902b7";

std::string with(const std::string& version, const std::string& flags,
                 const std::string& more = {}) {
  return version + "-" + kTrace + "-" + kParent + "-" + flags + more;
}

std::string parsed(const std::string& value) {
  return parse_traceparent(value).value_or("invalid");
}

TEST(Traceparent, IsTakenAsItCame) {
  EXPECT_EQ(parsed(with("00", "01")), with("00", "01"));
  EXPECT_EQ(parsed(with("00", "00")), with("00", "00"));
  EXPECT_EQ(parsed(with("00", "03")), with("00", "03"));
}

TEST(Traceparent, LosesFlagsThatTheSpecificationDoesNotDefine) {
  EXPECT_EQ(parsed(with("00", "ff")), with("00", "03"));
  EXPECT_EQ(parsed(with("00", "0c")), with("00", "00"));
}

TEST(Traceparent, OfALaterVersionIsReadAsVersion00) {
  EXPECT_EQ(parsed(with("01", "01")), with("00", "01"));
  EXPECT_EQ(parsed(with("cc", "01", "-what-the-future-will-be-like")), with("00", "01"));
  EXPECT_EQ(parsed(with("cc", "01", "-")), with("00", "01"));
  EXPECT_EQ(parsed(with("cc", "01", ".what")), "invalid");
  EXPECT_EQ(parsed(with("cc", "011")), "invalid");
}

TEST(Traceparent, OfVersion00HasNothingMore) {
  for (const char* more : {"-", "-x", ".", "0", " "})
    EXPECT_EQ(parsed(with("00", "01", more)), "invalid") << more;
}

TEST(Traceparent, OfAnInvalidVersionIsNone) {
  for (const char* version : {"ff", "", "0", ".0", "0.", "0x", "000", "FF"})
    EXPECT_EQ(parsed(with(version, "01")), "invalid") << version;
}

TEST(Traceparent, HasDigitsInLowerCaseAndNoIdOfZeros) {
  const std::string good = with("00", "01");
  for (size_t place = 0; place < good.size(); ++place) {
    for (const char c : {'A', 'g', ' ', '_', '\0', '\xff'}) {
      std::string bad = good;
      bad[place] = c;
      EXPECT_EQ(parsed(bad), "invalid") << place;
    }
    EXPECT_EQ(parsed(good.substr(0, place)), "invalid") << place;
  }
  EXPECT_EQ(parsed("00-" + std::string(32, '0') + "-" + kParent + "-01"), "invalid");
  EXPECT_EQ(parsed(std::string("00-") + kTrace + "-" + std::string(16, '0') + "-01"), "invalid");
}

TEST(Traceparent, MadeAnewHasTheDigitsOfTheMessageId) {
  const std::string made = new_traceparent("f6f326ce-2fca-4246-96ba-aab732d44ad0");
  EXPECT_EQ(made.substr(0, 36), "00-f6f326ce2fca424696baaab732d44ad0-");
  EXPECT_EQ(made.substr(52), "-03");
  EXPECT_EQ(parsed(made), made);
}

TEST(Traceparent, MadeAnewIsAnotherEachTime) {
  const std::string id = new_uuid();
  EXPECT_NE(new_traceparent(id), new_traceparent(id));
}

}  // namespace
}  // namespace lsmtpd::message
