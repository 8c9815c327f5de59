// SPDX-License-Identifier: Apache-2.0
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <mail_json/json_text.hpp>
#include <string>
#include <vector>

namespace lsmtpd::mail_json {
namespace {

TEST(Text, PutsCommasBetweenMembersAndNowhereElse) {
  Text text;
  text.open('{');
  text.key("a").string("b,{[:");
  text.key("list").open('[');
  text.string("one");
  text.number(2);
  text.open('{');
  text.close('}');
  text.close(']');
  text.key("none").open('[');
  text.close(']');
  text.key("n").number(18446744073709551615U);
  text.close('}');
  EXPECT_EQ(text.take(), R"({"a":"b,{[:","list":["one",2,{}],"none":[],"n":18446744073709551615})");
}

// cJSON prints every string that it can hold in the same way.
TEST(Text, EscapesStringsAsCjsonDoes) {
  std::vector<std::string> letters = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
  for (char c = 1; c != 127; ++c) letters.emplace_back(1, c);
  for (const std::string& letter : letters) {
    for (const std::string around :
         {"", "x", "a text of more than sixteen octets, and then some"}) {
      const std::string value = around + letter + around;
      Text text;
      text.string(value);
      const std::string json = text.take();
      cJSON* parsed = cJSON_Parse(json.c_str());
      ASSERT_TRUE(cJSON_IsString(parsed)) << json;
      EXPECT_EQ(parsed->valuestring, value);
      char* printed = cJSON_PrintUnformatted(parsed);
      EXPECT_EQ(json, printed);
      cJSON_free(printed);
      cJSON_Delete(parsed);
    }
  }
}

TEST(Text, PutsAReplacementForNulAndForInvalidUtf8) {
  Text text;
  text.open('[');
  text.string(std::string_view("a\0b", 3));
  text.string("caf\xE9");
  text.string(std::string(600, '\xFF'));
  text.close(']');
  std::string many;
  for (int i = 0; i < 600; ++i) many += "\xEF\xBF\xBD";
  EXPECT_EQ(text.take(),
            "[\"a\xEF\xBF\xBD"
            "b\",\"caf\xEF\xBF\xBD\",\"" +
                many + "\"]");
}

}  // namespace
}  // namespace lsmtpd::mail_json
