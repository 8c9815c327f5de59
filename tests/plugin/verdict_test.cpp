// SPDX-License-Identifier: Apache-2.0
#include "plugin/verdict.hpp"

#include <gtest/gtest.h>

#include "lsmtpd/abi.h"

namespace lsmtpd::plugin {
namespace {

Verdict given(uint32_t kind, uint32_t code = 0, std::string_view enhanced = {},
              std::string_view text = {}) {
  const lsmtpd_verdict verdict = {sizeof(lsmtpd_verdict), kind,      code,      0,
                                  str(enhanced),          str(text), str("why")};
  return Verdict::from(&verdict);
}

TEST(VerdictTest, KindsAreKnownAndUnknownOnesMeanTempfail) {
  EXPECT_EQ(given(LSMTPD_CONTINUE).kind, Kind::proceed);
  EXPECT_EQ(given(LSMTPD_STORED).kind, Kind::stored);
  EXPECT_EQ(given(LSMTPD_REJECT).kind, Kind::reject);
  EXPECT_EQ(given(LSMTPD_TEMPFAIL).kind, Kind::tempfail);
  EXPECT_EQ(given(LSMTPD_DISCARD).kind, Kind::discard);
  EXPECT_EQ(given(LSMTPD_ACCEPT).kind, Kind::accept);
  for (const uint32_t kind : {0u, 7u, 77u, UINT32_MAX}) EXPECT_EQ(given(kind).kind, Kind::tempfail);
  EXPECT_EQ(Verdict::from(nullptr).kind, Kind::tempfail);
}

TEST(VerdictTest, CodesMustFitTheKind) {
  EXPECT_EQ(given(LSMTPD_REJECT, 550).code, 550);
  EXPECT_EQ(given(LSMTPD_REJECT, 599).code, 599);
  EXPECT_EQ(given(LSMTPD_TEMPFAIL, 421).code, 421);
  for (const uint32_t code : {0u, 1u, 55u, 250u, 451u, 600u, 5500u, UINT32_MAX}) {
    EXPECT_EQ(given(LSMTPD_REJECT, code).code, 0) << code;
  }
  EXPECT_EQ(given(LSMTPD_TEMPFAIL, 550).code, 0);
  EXPECT_EQ(given(LSMTPD_CONTINUE, 250).code, 0);
  EXPECT_EQ(given(LSMTPD_STORED, 550).code, 0);
}

TEST(VerdictTest, EnhancedCodesMustBeCodesOfTheSameClass) {
  for (const char* good : {"5.7.1", "5.0.0", "5.999.999", "5.1.10"}) {
    EXPECT_EQ(given(LSMTPD_REJECT, 550, good).enhanced, good);
  }
  for (const char* bad : {"", "4.7.1", "2.0.0", "5.x", "5.7", "5..1", "5.7.", "5.7.1.2", "5.7.1 ",
                          "5.1000.1", "5.7.1000", "5.7.1\r\n", "50.7.1", "5,7,1", "5.-1.1"}) {
    EXPECT_EQ(given(LSMTPD_REJECT, 550, bad).enhanced, "") << bad;
  }
  EXPECT_EQ(given(LSMTPD_TEMPFAIL, 451, "4.3.0").enhanced, "4.3.0");
}

TEST(VerdictTest, InDoubtGoesWithTempfailOnly) {
  lsmtpd_verdict verdict = {sizeof verdict, LSMTPD_TEMPFAIL, 0, LSMTPD_IN_DOUBT, {}, {}, {}};
  EXPECT_TRUE(Verdict::from(&verdict).in_doubt);
  verdict.kind = LSMTPD_STORED;
  EXPECT_FALSE(Verdict::from(&verdict).in_doubt);
  verdict = {sizeof verdict, LSMTPD_TEMPFAIL, 0, ~LSMTPD_IN_DOUBT, {}, {}, {}};
  EXPECT_FALSE(Verdict::from(&verdict).in_doubt);
}

TEST(VerdictTest, TextsBecomeAFewShortPrintableLines) {
  EXPECT_EQ(given(LSMTPD_REJECT, 0, {}, "no\r\n250 Ok\t\x01\x7f").text, "no\n250 Ok???");
  EXPECT_EQ(given(LSMTPD_REJECT, 0, {}, "a\rb\nc\n").text, "a?b\nc");
  EXPECT_EQ(given(LSMTPD_REJECT, 0, {}, "1\n2\n3\n4\n5\n6\n7\n8\n9\n").text,
            "1\n2\n3\n4\n5\n6\n7\n8");
  EXPECT_EQ(given(LSMTPD_REJECT, 0, {}, std::string(300, 'x') + "\n" + std::string(300, 'y')).text,
            std::string(200, 'x') + "\n" + std::string(200, 'y'));
  EXPECT_EQ(given(LSMTPD_REJECT, 0, {}, std::string(1, '\0') + "\xff").text, "??");
  EXPECT_EQ(given(LSMTPD_REJECT, 0, {}, std::string(5000, 'x')).text, std::string(200, 'x'));
  EXPECT_EQ(given(LSMTPD_REJECT).detail, "why");
}

// A plugin that was built with other headers may know less of the struct, never less than `kind`.
TEST(VerdictTest, FieldsBehindTheStatedSizeAreNotRead) {
  lsmtpd_verdict verdict = {8, LSMTPD_REJECT, 599, 0, str("5.9.9"), str("text"), str("detail")};
  EXPECT_EQ(Verdict::from(&verdict).kind, Kind::reject);
  EXPECT_EQ(Verdict::from(&verdict).code, 0);
  verdict.size = 12;
  EXPECT_EQ(Verdict::from(&verdict).code, 599);
  EXPECT_EQ(Verdict::from(&verdict).enhanced, "");
  EXPECT_EQ(Verdict::from(&verdict).text, "");
  verdict.size = sizeof verdict + 100;
  EXPECT_EQ(Verdict::from(&verdict).text, "text");
  verdict.size = 4;
  EXPECT_EQ(Verdict::from(&verdict).kind, Kind::tempfail);
}

}  // namespace
}  // namespace lsmtpd::plugin
