// SPDX-License-Identifier: Apache-2.0
#include "config/stray.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::config {
namespace {

std::string shown(std::string_view text) {
  const auto stray = find_stray(text);
  return stray ? format(*stray, "f") : "";
}

TEST(Stray, IsFoundWithItsPlace) {
  EXPECT_EQ(shown("a = 1\n\nb =\xc2\xa0"
                  "2"),
            "f:3:4: error: \"\xc2\xa0\" stands outside of quotes (a no-break space: write a plain "
            "one)");
  EXPECT_EQ(shown("a = \"\xc3\xa4\xe2\x82\xac\" \xe2\x80\x9cx\xe2\x80\x9d"),
            "f:1:10: error: \"\xe2\x80\x9c\" stands outside of quotes (write plain quotes: \")");
  EXPECT_EQ(shown("cl\xc3\xa9 = 1"),
            "f:1:3: error: \"\xc3\xa9\" stands outside of quotes (put it in quotes)");
  EXPECT_EQ(shown("\xef\xbb\xbf"
                  "a\xe2\x80\xae"),
            "f:1:2: error: \"\\xe2\\x80\\xae\" stands outside of quotes (put it in quotes)");
}

TEST(Stray, StringsAndCommentsMayHoldAnything) {
  for (const auto text :
       {"",
        "\xef\xbb\xbf"
        "a = 1",
        "# \xc3\xa9", "a = 1 # \" \xc3\xa9\nb = 2", "a = \"\xc3\xa9\"", "a = '\xc3\xa9'",
        "a = \"\\\" \xc3\xa9\"", "a = '\\' # '\xc3\xa9", "'\xc3\xa9' = 1",
        "a = \"\"\"\n\xc3\xa9 \"\" \xc3\xa9\n\"\"\"", "a = \"\"\"x\"\"\"\"\" # \xc3\xa9",
        "a = '''\n\xc3\xa9 ' # \xc3\xa9\n'''", "a = \"\" # \xc3\xa9"}) {
    EXPECT_EQ(shown(text), "") << text;
  }
}

TEST(Stray, TextBehindAStringIsReported) {
  for (const auto text :
       {"a = \"\"\xc3\xa9", "a = 'x\\'\xc3\xa9", "a = \"\"\"x\"\"\"\xc3\xa9",
        "a = '''x'''''\xc3\xa9", "a = \"x\\\\\"\xc3\xa9", "a = \"open\n\xc3\xa9"}) {
    EXPECT_NE(shown(text), "") << text;
  }
}

TEST(Stray, BytesThatAreNotUtf8AreLeftToTheParser) {
  EXPECT_EQ(shown("a = \xff"), "");
}

}  // namespace
}  // namespace lsmtpd::config
