// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <gmock/gmock.h>
#include <lsmtpd/lsmtpd.h>

namespace filter_http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string problem(const std::string& json) {
  Answer answer;
  const std::string said = parse_answer(json, answer);
  EXPECT_EQ(answer.kind == 0, !said.empty());
  return said;
}
Answer parsed(const std::string& json) {
  Answer answer;
  EXPECT_EQ(parse_answer(json, answer), "");
  return answer;
}

TEST(HttpAnswer, HasAVerdict) {
  EXPECT_EQ(parsed(R"({"verdict": "continue"})").kind, LSMTPD_CONTINUE);
  EXPECT_EQ(parsed(R"({"verdict": "accept", "unknown": [1]})").kind, LSMTPD_ACCEPT);
  EXPECT_EQ(parsed(R"( {"verdict":"discard","text":null} )"
                   "\n")
                .kind,
            LSMTPD_DISCARD);
  const auto refused =
      parsed(R"({"verdict":"reject","code":550,"enhanced":"5.1.1","text":"nobody"})");
  EXPECT_EQ(refused.kind, LSMTPD_REJECT);
  EXPECT_EQ(refused.code, 550u);
  EXPECT_EQ(refused.enhanced, "5.1.1");
  EXPECT_EQ(refused.text, "nobody");
  EXPECT_EQ(parsed(R"({"verdict":"tempfail","code":451})").code, 451u);
  EXPECT_EQ(parsed(R"({"verdict":"continue","code":250})").code, 0u);
}

TEST(HttpAnswer, HasAnnotationsAndEditsOfTheHeader) {
  const auto answer = parsed(R"({"verdict":"continue","annotations":{"score":"7"},"header":
    {"add":{"X-A":"1","X-B":"\u00e4"},"change":{"Subject":"[x] y"},"remove":["X-C","x-d"]}})");
  EXPECT_THAT(answer.annotations, ElementsAre(Pair("score", "7")));
  EXPECT_THAT(answer.add, ElementsAre(Pair("X-A", "1"), Pair("X-B", "\xc3\xa4")));
  EXPECT_THAT(answer.change, ElementsAre(Pair("Subject", "[x] y")));
  EXPECT_THAT(answer.remove, ElementsAre("X-C", "x-d"));
  EXPECT_EQ(field(answer.add[0]), "X-A: 1\r\n");
  EXPECT_GT(cost_of(answer), 100u);
}

TEST(HttpAnswer, WhatIsNoAnswerIsSaidSo) {
  for (const char* text : {"", "{", "{\"verdict\":\"continue\"", "nonsense", "\xff\xfe"})
    EXPECT_EQ(problem(text), "it is no JSON") << text;
  EXPECT_EQ(problem(std::string(5000, '[')), "it is no JSON");
  EXPECT_EQ(problem(R"({"verdict":"continue"}{)"), "something follows the JSON");
  EXPECT_EQ(problem("[]"), "it is no object");
  EXPECT_EQ(problem("{}"), "verdict is missing");
  EXPECT_EQ(problem(R"({"verdict":7})"), "verdict is missing");
  EXPECT_THAT(problem(R"({"verdict":"maybe"})"), HasSubstr("verdict is none of continue"));
  EXPECT_EQ(problem(R"({"verdict":"reject","code":450})"), "code does not fit the verdict");
  EXPECT_EQ(problem(R"({"verdict":"tempfail","code":550})"), "code does not fit the verdict");
  EXPECT_EQ(problem(R"({"verdict":"reject","code":550.5})"), "code is no whole number");
  EXPECT_EQ(problem(R"({"verdict":"reject","code":"550"})"), "code is no whole number");
  EXPECT_EQ(problem(R"({"verdict":"reject","text":["x"]})"), "text is no string");
  EXPECT_EQ(problem(R"({"verdict":"continue","annotations":["x"]})"), "annotations is no object");
  EXPECT_EQ(problem(R"({"verdict":"continue","annotations":{"x":1}})"),
            "annotations has a value that is no string");
  EXPECT_EQ(problem(R"({"verdict":"continue","header":{"remove":{}}})"),
            "header.remove is no list");
}

TEST(HttpAnswer, HeaderFieldsThatAreNoneAreRefused) {
  const auto add = [](const std::string& name, const std::string& value) {
    return problem("{\"verdict\":\"continue\",\"header\":{\"add\":{\"" + name + "\":\"" + value +
                   "\"}}}");
  };
  EXPECT_EQ(add("X-A", "1"), "");
  for (const char* name : {"", "X A", "X:A", "X\\r\\nB", "\\u00e4"})
    EXPECT_THAT(add(name, "1"), HasSubstr("header.add has a name")) << name;
  for (const char* value : {"1\\r\\nX-B: 2", "1\\n", "\\u0001", "\\u007f"})
    EXPECT_EQ(add("X-A", value), "header.add has a value that is no field's") << value;
  EXPECT_EQ(add("X-A", std::string(1000, 'a')), "header.add has a value that is no field's");
}

TEST(HttpAnswer, IsBounded) {
  EXPECT_EQ(problem(R"({"verdict":"reject","text":")" + std::string(1025, 'a') + "\"}"),
            "text is too long");
  std::string many = R"({"verdict":"continue","annotations":{)";
  for (int i = 0; i < 101; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"x\"";
  EXPECT_EQ(problem(many + "}}"), "annotations has too many members");
}

}  // namespace
}  // namespace filter_http
