// SPDX-License-Identifier: Apache-2.0
#include "log/line.hpp"

#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>

#include "base/printable.hpp"
#include "base/text.hpp"

namespace lsmtpd::log {
namespace {

using namespace std::literals;

// 2026-11-22T01:38:39.271Z
constexpr std::chrono::system_clock::time_point moment{std::chrono::milliseconds(1795311519271)};

std::string text(std::string_view message, std::initializer_list<Field> fields = {}) {
  std::string out;
  append_text(out, {moment, Level::info, message, {fields.begin(), fields.size()}});
  return out;
}

std::string json(std::string_view message, std::initializer_list<Field> fields = {}) {
  std::string out;
  append_json(out, {moment, Level::warn, message, {fields.begin(), fields.size()}});
  return out;
}

std::string text_value(std::string_view value) {
  const std::string line = text("m", {{"k", value}});
  const std::string start = "2026-11-22T01:38:39.271Z info m k=";
  EXPECT_EQ(line.substr(0, start.size()), start);
  EXPECT_EQ(line.back(), '\n');
  return line.substr(start.size(), line.size() - start.size() - 1);
}

struct DeleteJson {
  void operator()(cJSON* item) const { cJSON_Delete(item); }
};
using Json = std::unique_ptr<cJSON, DeleteJson>;

// The value that a strict reader finds under "k".
std::string json_value(std::string_view value) {
  const std::string line = json("m", {{"k", value}});
  EXPECT_TRUE(is_utf8(line));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const Json parsed(cJSON_ParseWithLength(line.data(), line.size()));
  const char* found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(parsed.get(), "k"));
  return found ? found : "(invalid: " + line + ")";
}

TEST(Printable, IsToldFromEachOtherOctetAtEachPlace) {
  for (size_t size = 0; size <= 24; ++size) {
    EXPECT_TRUE(is_printable_but<>(std::string(size, ' ')));
    for (size_t at = 0; at < size; ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string text(size, '!');
        text[at] = static_cast<char>(octet);
        const bool printable = octet >= 0x20 && octet < 0x7f;
        ASSERT_EQ(is_printable_but<>(text), printable) << size << " " << at << " " << octet;
        ASSERT_EQ((is_printable_but<'"', '~'>(text)), printable && octet != '"' && octet != '~')
            << size << " " << at << " " << octet;
      }
    }
  }
}

TEST(TextLine, HasTimeLevelMessageAndFields) {
  EXPECT_EQ(text("accepted", {{"id", "f6f326ce"}, {"size", 4096}}),
            "2026-11-22T01:38:39.271Z info accepted id=f6f326ce size=4096\n");
  EXPECT_EQ(text("stopping"), "2026-11-22T01:38:39.271Z info stopping\n");
}

TEST(TextLine, WritesEachTypeOfValue) {
  EXPECT_EQ(
      text("m", {{"a", -5},
                 {"b", std::numeric_limits<uint64_t>::max()},
                 {"c", 0.5},
                 {"d", true},
                 {"e", std::string("x")},
                 {"f", 'c' == 'c'}}),
      "2026-11-22T01:38:39.271Z info m a=-5 b=18446744073709551615 c=0.5 d=true e=x f=true\n");
}

TEST(TextLine, QuotesValuesThatCouldBeTakenForSeveral) {
  EXPECT_EQ(text_value("<a@b.example>"), "<a@b.example>");
  EXPECT_EQ(text_value("two words"), "\"two words\"");
  EXPECT_EQ(text_value(""), "\"\"");
  EXPECT_EQ(text_value(std::string_view()), "\"\"") << "which points nowhere";
  EXPECT_EQ(text_value("id=forged"), "\"id=forged\"");
}

TEST(TextLine, AValueCannotForgeALineOrAField) {
  EXPECT_EQ(text_value("x\n2026-11-22T01:38:39.271Z info accepted"),
            "\"x\\x0a2026-11-22T01:38:39.271Z info accepted\"");
  EXPECT_EQ(text_value("x\" id=\"y"), "\"x\\x22 id=\\x22y\"");
  EXPECT_EQ(text_value("\xff\x1b[2J"), "\"\\xff\\x1b[2J\"");
}

TEST(TextLine, AMessageThatLooksLikeFieldsIsQuoted) {
  EXPECT_EQ(text("disk is full"), "2026-11-22T01:38:39.271Z info disk is full\n");
  EXPECT_EQ(text("said id=1\n"), "2026-11-22T01:38:39.271Z info \"said id=1\\x0a\"\n");
}

TEST(JsonLine, HasTimeLevelMessageAndFields) {
  EXPECT_EQ(json("refused", {{"id", "f6"}, {"size", 7u}, {"tls", false}, {"rate", 1.5}}),
            R"({"time":"2026-11-22T01:38:39.271Z","level":"warn","message":"refused","id":"f6",)"
            R"("size":7,"tls":false,"rate":1.5})"
            "\n");
}

TEST(JsonLine, CarriesValidTextExactly) {
  for (const auto value :
       {""sv, "plain"sv, "q\"b\\s/"sv, "\r\n\t\b\f"sv, "\x01\x1f\x7f"sv,
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa8"sv, "\xc2\x9b"sv, "\xe2\x80\xae!"sv, "\\x41"sv}) {
    EXPECT_EQ(json_value(value), value);
  }
}

TEST(JsonLine, ShowsInvalidBytesAsEscapes) {
  EXPECT_EQ(json_value("a\xff\xc3z"), "a\\xff\\xc3z");
}

TEST(JsonLine, EscapesWhatTerminalsActOn) {
  EXPECT_NE(json("m", {{"k", "\xc2\x9b"}}).find("\\u009b"), std::string::npos);
  EXPECT_NE(json("m", {{"k", "\xe2\x80\xae"}}).find("\\u202e"), std::string::npos);
  EXPECT_NE(json("m", {{"k", "\0"sv}}).find("\\u0000"), std::string::npos);
}

TEST(JsonLine, NumbersThatJsonDoesNotHaveAreNull) {
  EXPECT_NE(json("m", {{"k", std::numeric_limits<double>::infinity()}}).find("\"k\":null"),
            std::string::npos);
}

TEST(JsonLine, AFieldCannotTakeTheNameOfAFixedOne) {
  const std::string line = json("m", {{Key::foreign("time"), "x"},
                                      {Key::foreign("level"), "y"},
                                      {Key::foreign("message"), "z"},
                                      {Key::foreign("plugin"), "p"}});
  EXPECT_NE(line.find(R"("time_":"x","level_":"y","message_":"z","plugin_":"p")"),
            std::string::npos)
      << line;
}

TEST(Lines, LongValuesAreCutBetweenCharacters) {
  const std::string exact(kMaxValue, 'x');
  EXPECT_EQ(text_value(exact), exact);
  EXPECT_EQ(text_value(exact + "y"), '"' + exact + "...\"");
  const std::string euro = std::string(kMaxValue - 1, 'x') + "\xe2\x82\xac";
  EXPECT_EQ(json_value(euro), std::string(kMaxValue - 1, 'x') + "...");
}

std::string unescape(std::string_view shown) {
  std::string bytes;
  for (size_t i = 0; i < shown.size(); ++i) {
    if (shown.substr(i, 2) == "\\x") {
      bytes += static_cast<char>(std::stoi(std::string(shown.substr(i + 2, 2)), nullptr, 16));
      i += 3;
    } else {
      bytes += shown[i];
    }
  }
  return bytes;
}

TEST(Lines, AnyBytesStayInsideTheirFieldAndCanBeRecovered) {
  std::mt19937 random(5321);  // NOLINT: the same bytes in every run
  for (int round = 0; round < 2000; ++round) {
    std::string value(random() % 40, '\0');
    for (char& c : value) {
      // Half of them from where the trouble is.
      c = random() % 2 ? static_cast<char>(random()) : "\r\n\"\\ =x\xc2\xe2\x80"[random() % 10];
    }
    std::string shown = text_value(value);
    EXPECT_TRUE(is_utf8(shown));
    EXPECT_EQ(shown.find('\n'), std::string::npos);
    if (shown.front() == '"') shown = shown.substr(1, shown.size() - 2);
    EXPECT_EQ(shown.find('"'), std::string::npos);
    EXPECT_EQ(unescape(shown), value);
    if (is_utf8(value) && value.find('\0') == std::string::npos) {
      EXPECT_EQ(json_value(value), value);
    }
  }
}

TEST(Lines, AListIsAnArrayInJson) {
  const std::string_view addresses[] = {"a@b", "\"c d\"@e"};
  const Field fields[] = {{"to", List(addresses)}, {"none", List()}};
  const Line line{{}, Level::info, "x", fields};
  std::string json, text;
  append_json(json, line);
  append_text(text, line);
  EXPECT_NE(json.find(R"("to":["a@b","\"c d\"@e"],"none":[]})"), std::string::npos) << json;
  EXPECT_NE(text.find(R"( to="a@b,\x22c d\x22@e" none="")"), std::string::npos) << text;
}

}  // namespace
}  // namespace lsmtpd::log
