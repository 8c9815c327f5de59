// SPDX-License-Identifier: Apache-2.0
#include "admin/json.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::admin {
namespace {

TEST(Json, TextThatIsNotUtf8IsReplacedOctetByOctet) {
  EXPECT_EQ(json_text("a\xc3\xa9"), "a\xc3\xa9");
  EXPECT_EQ(json_text("\xff"
                      "b"),
            "\xef\xbf\xbd"
            "b");
  EXPECT_EQ(json_text("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") << "a surrogate";
  EXPECT_EQ(json_text("\xc3"), "\xef\xbf\xbd") << "cut short";
  EXPECT_EQ(json_text(std::string_view("a\0b", 3)),
            "a\xef\xbf\xbd"
            "b");
}

TEST(Json, LineIsOneObject) {
  EXPECT_EQ(json_line("out", "a \"b\"\n"), "{\"out\":\"a \\\"b\\\"\\n\"}\n");
  EXPECT_EQ(json_line("exit", 2), "{\"exit\":2}\n");
}

}  // namespace
}  // namespace lsmtpd::admin
