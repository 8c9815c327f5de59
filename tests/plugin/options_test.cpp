// SPDX-License-Identifier: Apache-2.0
// Options of a plugin against its table: every mistake named at its place.
#include "plugin/plugin_options.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>

#include "plugin/option_table.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {
namespace {

using config::OptionValue;

void check_ok(const lsmtpd_config*, const lsmtpd_report*) {}

constexpr lsmtpd_option kRows[] = {
    {"text", LSMTPD_TYPE_STRING, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0},
    {"secret", LSMTPD_TYPE_SECRET, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0},
    {"flag", LSMTPD_TYPE_BOOL, 0, "true", 0, 0, nullptr, "", nullptr, 0, 0},
    {"count", LSMTPD_TYPE_INT, 0, "5", 1, 10, nullptr, "", nullptr, 0, 0},
    {"size", LSMTPD_TYPE_SIZE, 0, "10MiB", 1, INT64_MAX, nullptr, "", nullptr, 0, 0},
    {"any_size", LSMTPD_TYPE_SIZE, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0},
    {"wait", LSMTPD_TYPE_DURATION, 0, "30s", 1000, 60000, nullptr, "", nullptr, 0, 0},
    {"mode", LSMTPD_TYPE_ENUM, 0, "fast", 0, 0, "fast slow", "", nullptr, 0, 0},
    {"file", LSMTPD_TYPE_PATH, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0},
    {"list", LSMTPD_TYPE_LIST, 0, "one", 0, 0, nullptr, "", nullptr, 0, 0},
    {"map", LSMTPD_TYPE_MAP, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0},
};

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    entry_.name = "x";
    entry_.use = "test_plugin";
    entry_.position = {1, 1};
    entry_.given.places["use"] = {2, 7};
  }
  template <class T>
  void give(const std::string& key, T value) {
    entry_.options[key] = {{value, {10, 20}}, {10, 5}};
  }
  const lsmtpd_config* check(std::span<const lsmtpd_option> rows = kRows,
                             decltype(lsmtpd_options_1::validate) f = check_ok) {
    problems_.clear();
    const lsmtpd_options_1 table = {rows.data(), static_cast<uint32_t>(rows.size()),
                                    sizeof(lsmtpd_option), f};
    options_ = Options::validate(entry_, &table, problems_);
    return options_->abi();
  }
  // Of one wrong option.
  template <class T>
  std::string wrong(const std::string& key, T value) {
    entry_.options.clear();
    give(key, value);
    check();
    if (problems_.size() != 1) return std::to_string(problems_.size()) + " problems";
    EXPECT_EQ(problems_[0].position.line, 10u);
    return problems_[0].message;
  }
  std::string text(const char* key) {
    return std::string(view(options_->abi()->string(options_->abi(), key)));
  }
  int64_t number(const char* key) { return options_->abi()->integer(options_->abi(), key); }

  config::Plugin entry_;
  std::vector<config::Diagnostic> problems_;
  std::unique_ptr<Options> options_;
};

TEST_F(OptionsTest, QuotedFileContentIsEscaped) {
  EXPECT_NE(wrong("o\ndd\x1b[2J", std::string("x")).find("option o\\x0add\\x1b[2J"),
            std::string::npos);
  entry_.options.clear();
  check(kRows, [](const lsmtpd_config*, const lsmtpd_report* report) {
    report->error(report, str("text"), str("\"a\x1b\" is wrong"));
  });
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].message, "plugin.x: option text: \"a\\x1b\" is wrong");
}

TEST_F(OptionsTest, DefaultsAreFilledIn) {
  const auto* c = check();
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(number("flag"), 1);
  EXPECT_EQ(number("count"), 5);
  EXPECT_EQ(number("size"), 10 << 20);
  EXPECT_EQ(number("wait"), 30'000);
  EXPECT_EQ(text("mode"), "fast");
  EXPECT_EQ(c->count(c, "list"), 1u);
  EXPECT_EQ(view(c->item(c, "list", 0)), "one");
  EXPECT_FALSE(c->is_set(c, "text"));
  EXPECT_TRUE(c->is_set(c, "mode"));
}

TEST_F(OptionsTest, ValuesAreRead) {
  give("text", std::string("t"));
  give("secret", std::string("s"));
  give("flag", false);
  give("count", int64_t{7});
  give("size", std::string("1KiB"));
  give("any_size", int64_t{4096});
  give("wait", std::string("5s"));
  give("mode", std::string("slow"));
  give("file", std::string("/dev/null"));
  give("list", OptionValue::List{{std::string("a"), {}}, {std::string("b"), {}}});
  give("map", OptionValue::Map{{"k", {std::string("v"), {}}}, {"l", {std::string("w"), {}}}});
  const auto* c = check();
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(text("text"), "t");
  EXPECT_EQ(text("secret"), "s");
  EXPECT_EQ(number("flag"), 0);
  EXPECT_TRUE(c->is_set(c, "flag"));
  EXPECT_EQ(number("count"), 7);
  EXPECT_EQ(number("size"), 1024);
  EXPECT_EQ(number("any_size"), 4096);
  EXPECT_EQ(number("wait"), 5000);
  EXPECT_EQ(text("mode"), "slow");
  EXPECT_EQ(text("file"), "/dev/null");
  EXPECT_EQ(c->count(c, "list"), 2u);
  EXPECT_EQ(view(c->item(c, "list", 1)), "b");
  EXPECT_EQ(c->count(c, "map"), 2u);
  EXPECT_EQ(view(c->item_key(c, "map", 1)), "l");
  EXPECT_EQ(view(c->item(c, "map", 1)), "w");
}

TEST_F(OptionsTest, WrongKeysAndTypesGiveTheEmptyValue) {
  const auto* c = check();
  EXPECT_EQ(text("no such key"), "");
  EXPECT_NE(c->string(c, "no such key").data, nullptr) << "NUL-terminated all the same";
  EXPECT_EQ(text("count"), "");
  EXPECT_EQ(number("mode"), 0);
  EXPECT_EQ(c->count(c, "mode"), 0u);
  EXPECT_EQ(c->item(c, "list", 1).size, 0u);
  EXPECT_EQ(c->item_key(c, "list", 9).size, 0u);
}

TEST_F(OptionsTest, UnknownKeysNameTheNearestOrAll) {
  EXPECT_EQ(wrong("moed", std::string("fast")), "plugin.x: unknown option moed");
  EXPECT_EQ(problems_[0].hint, "did you mean mode?");
  EXPECT_EQ(problems_[0].position.column, 5u);
  wrong("zzzzzzzzz", true);
  EXPECT_EQ(problems_[0].hint.rfind("allowed: text, secret,", 0), 0u);
  Options::validate(entry_, nullptr, problems_);
  EXPECT_EQ(problems_.back().hint, "test_plugin takes no options");
}

TEST_F(OptionsTest, OptionWithAReportedMistakeIsNotReportedAsMissing) {
  const lsmtpd_option row = {"file", LSMTPD_TYPE_PATH, 1, nullptr, 0, 0, nullptr,
                             "",     nullptr,          0, 0};
  give("file", std::string("${NOT_SET}"));
  entry_.options["file"].broken = true;
  check({&row, 1}, [](const lsmtpd_config*, const lsmtpd_report*) { FAIL(); });
  EXPECT_TRUE(problems_.empty());
  EXPECT_FALSE(options_->complete());
}

TEST_F(OptionsTest, WrongTypesSayWhatIsAllowed) {
  const OptionValue::List list{{std::string("a"), {}}};
  const OptionValue::Map map{{"k", {std::string("v"), {}}}};
  EXPECT_EQ(wrong("text", int64_t{1}), "plugin.x: option text must be a string");
  EXPECT_EQ(wrong("text", int64_t{0}), "plugin.x: option text must be a string");
  EXPECT_EQ(wrong("text", list), "plugin.x: option text must be a string");
  EXPECT_EQ(wrong("flag", std::string("true")), "plugin.x: option flag must be true or false");
  EXPECT_EQ(wrong("flag", int64_t{1}), "plugin.x: option flag must be true or false");
  EXPECT_EQ(wrong("count", std::string("5")), "plugin.x: option count must be a number");
  EXPECT_EQ(wrong("count", true), "plugin.x: option count must be a number");
  EXPECT_EQ(wrong("count", 1.5), "plugin.x: option count must be a number");
  EXPECT_EQ(wrong("wait", int64_t{5}), "plugin.x: option wait must be a duration like \"30s\"");
  EXPECT_EQ(wrong("mode", std::string("fast slow")),
            "plugin.x: option mode must be one of: fast slow");
  EXPECT_EQ(wrong("mode", std::string("")), "plugin.x: option mode must be one of: fast slow");
  EXPECT_EQ(wrong("mode", std::string("slo")), "plugin.x: option mode must be one of: fast slow");
  EXPECT_EQ(wrong("list", std::string("a")), "plugin.x: option list must be a list of strings");
  EXPECT_EQ(wrong("list", map), "plugin.x: option list must be a list of strings");
  EXPECT_EQ(wrong("list", OptionValue::List{{int64_t{1}, {}}}),
            "plugin.x: option list must be a list of strings");
  EXPECT_EQ(wrong("map", list), "plugin.x: option map must be a table of strings");
  EXPECT_EQ(wrong("map", OptionValue::Map{{"k", {true, {}}}}),
            "plugin.x: option map must be a table of strings");
  EXPECT_EQ(wrong("size", std::string("10 apples"))
                .rfind("plugin.x: option size must be a size like \"10MiB\": ", 0),
            0u);
}

TEST_F(OptionsTest, RangesAreSaidInTheOptionsOwnUnit) {
  EXPECT_EQ(wrong("count", int64_t{0}), "plugin.x: option count must be from 1 to 10");
  EXPECT_EQ(wrong("count", int64_t{11}), "plugin.x: option count must be from 1 to 10");
  EXPECT_EQ(wrong("wait", std::string("2m")), "plugin.x: option wait must be from 1s to 1m");
  EXPECT_EQ(wrong("wait", int64_t{0}), "plugin.x: option wait must be from 1s to 1m");
  EXPECT_EQ(wrong("size", int64_t{0}), "plugin.x: option size must be at least 1B");
  EXPECT_EQ(wrong("any_size", int64_t{-1}), "plugin.x: option any_size must not be negative");
  EXPECT_EQ(wrong("any_size", std::string("15000000TiB")),
            "plugin.x: option any_size is too large");
}

TEST_F(OptionsTest, MistakesAreAllReportedAndValidateIsNotCalled) {
  give("count", int64_t{99});
  give("flag", std::string("x"));
  give("nonsense", true);
  check(kRows, [](const lsmtpd_config*, const lsmtpd_report*) { FAIL(); });
  EXPECT_EQ(problems_.size(), 3u);
}

TEST_F(OptionsTest, RequiredOnesMustBeThere) {
  const lsmtpd_option rows[] = {{"directory", LSMTPD_TYPE_PATH, 1, nullptr, 0, 0, nullptr,
                                 "where messages go", nullptr, 0, 0}};
  check(rows);
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].message, "plugin.x: option directory is missing");
  EXPECT_EQ(problems_[0].hint, "where messages go");
  EXPECT_EQ(problems_[0].position.line, 1u);
}

TEST_F(OptionsTest, ValidateReportsAtTheOptionsPlace) {
  give("text", std::string("t"));
  check(kRows, [](const lsmtpd_config*, const lsmtpd_report* report) {
    report->error(report, str("text"), str("does not fit the mode"));
    report->warning(report, {}, str("is old"));
  });
  ASSERT_EQ(problems_.size(), 2u);
  EXPECT_EQ(problems_[0].message, "plugin.x: option text: does not fit the mode");
  EXPECT_EQ(problems_[0].position.column, 20u);
  EXPECT_FALSE(problems_[0].warning);
  EXPECT_EQ(problems_[1].message, "plugin.x: is old");
  EXPECT_TRUE(problems_[1].warning);
}

TEST_F(OptionsTest, AnExceptionInValidateIsAnErrorThatSaysWhat) {
  check(kRows,
        [](const lsmtpd_config*, const lsmtpd_report*) { throw std::runtime_error("bad day"); });
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_NE(problems_[0].message.find("bad day"), std::string::npos);
}

TEST_F(OptionsTest, AnAuthorsMistakesAreErrorsToo) {
  const lsmtpd_option bad_default[] = {
      {"mode", LSMTPD_TYPE_ENUM, 0, "medium", 0, 0, "fast slow", "", nullptr, 0, 0}};
  check(bad_default);
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].message, "test_plugin: its own default of mode must be one of: fast slow");
  for (const char* text : {"", "x", "1x", "99999999999999999999"}) {
    const lsmtpd_option number[] = {
        {"i", LSMTPD_TYPE_INT, 0, text, 0, 0, nullptr, "", nullptr, 0, 0}};
    check(number);
    ASSERT_EQ(problems_.size(), 1u) << text;
    EXPECT_EQ(problems_[0].message, "test_plugin: its own default of i must be a number");
  }
  const lsmtpd_option flag[] = {
      {"b", LSMTPD_TYPE_BOOL, 0, "yes", 0, 0, nullptr, "", nullptr, 0, 0}};
  check(flag);
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].message, "test_plugin: its own default of b must be true or false");
  const lsmtpd_option type[] = {{"odd", 99, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0}};
  give("odd", std::string("x"));
  check(type);
  EXPECT_EQ(problems_.size(), 1u);
  const lsmtpd_option allowed[] = {
      {"odd", LSMTPD_TYPE_ENUM, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0}};
  check(allowed);
  EXPECT_EQ(problems_.size(), 1u);
}

// ---- the table itself ----

std::string fault_of_rows(std::vector<lsmtpd_option> rows) {
  return fault_of(
      {rows.data(), static_cast<uint32_t>(rows.size()), sizeof(lsmtpd_option), nullptr});
}

TEST(OptionTableTest, ValidTableHasNoFault) {
  EXPECT_EQ(fault_of_rows({std::begin(kRows), std::end(kRows)}), "");
  EXPECT_EQ(fault_of_rows({}), "");
}

TEST(OptionTableTest, NamesWhatNoConfigurationCanMend) {
  const lsmtpd_option good = {"good", LSMTPD_TYPE_INT, 0, "-5", 0, 0, nullptr, "", nullptr, 0, 0};
  const auto with = [&](lsmtpd_option bad) { return fault_of_rows({good, bad}); };
  const std::string no_key = "the key of row 2 is not of up to 64 letters, digits, - and _";
  for (const char* key : {static_cast<const char*>(nullptr), "", "a b", "a\n", "a.b", "\xc3\xb6"}) {
    EXPECT_EQ(with({key, LSMTPD_TYPE_INT, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0}), no_key);
  }
  EXPECT_EQ(with(good), "good is there twice");
  EXPECT_EQ(with({"e", LSMTPD_TYPE_ENUM, 0, nullptr, 0, 0, nullptr, "", nullptr, 0, 0}),
            "e is an enum without values");
  EXPECT_EQ(with({"e", LSMTPD_TYPE_ENUM, 0, nullptr, 0, 0, "", "", nullptr, 0, 0}),
            "e is an enum without values");
  EXPECT_EQ(with({"i", LSMTPD_TYPE_INT, 0, nullptr, 1, 0, nullptr, "", nullptr, 0, 0}),
            "i allows nothing: its minimum 1 is above its maximum 0");
  EXPECT_EQ(fault_of({nullptr, 1, 0, nullptr}), "it has no rows");
}

constexpr lsmtpd_option kColumns[] = {
    {"name", LSMTPD_TYPE_STRING, 1, nullptr, 0, 0, nullptr, "", nullptr, 0, 0},
    {"weight", LSMTPD_TYPE_INT, 0, "1", 1, 9, nullptr, "", nullptr, 0, 0},
};
constexpr lsmtpd_option kTables[] = {
    {"routes", LSMTPD_TYPE_TABLES, 0, nullptr, 0, 0, nullptr, "", kColumns, sizeof(lsmtpd_option),
     2},
};

class TablesTest : public OptionsTest {
 protected:
  static OptionValue table(OptionValue::Map map, uint32_t line) {
    return {std::move(map), {line, 3}};
  }
  void give_routes(OptionValue::List list) { give("routes", std::move(list)); }
  std::string problem() {
    check(kTables);
    if (problems_.size() != 1) return std::to_string(problems_.size()) + " problems";
    return std::to_string(problems_[0].position.line) + ": " + problems_[0].message;
  }
};

TEST_F(TablesTest, EachTableHasItsValuesAndDefaults) {
  give_routes({table({{"name", {"a", {11, 1}}}}, 11),
               table({{"name", {"b", {12, 1}}}, {"weight", {int64_t{3}, {12, 9}}}}, 12)});
  const lsmtpd_config* c = check(kTables);
  ASSERT_TRUE(problems_.empty()) << problems_[0].message;
  EXPECT_EQ(c->count(c, "routes"), 2u);
  const lsmtpd_config* one = c->table(c, "routes", 0);
  const lsmtpd_config* two = c->table(c, "routes", 1);
  EXPECT_EQ(view(one->string(one, "name")), "a");
  EXPECT_EQ(one->integer(one, "weight"), 1);
  EXPECT_EQ(two->integer(two, "weight"), 3);
  EXPECT_EQ(c->table(c, "routes", 2), nullptr);
  EXPECT_EQ(c->table(c, "name", 0), nullptr);
}

TEST_F(TablesTest, MistakesAreNamedWithTheirTableAndPlace) {
  give_routes({table({{"name", {"a", {11, 1}}}}, 11), table({}, 12)});
  EXPECT_EQ(problem(), "12: plugin.x: option routes[1].name is missing");
  give_routes({table({{"name", {"a", {11, 1}}}, {"weight", {int64_t{10}, {13, 4}}}}, 11)});
  EXPECT_EQ(problem(), "13: plugin.x: option routes[0].weight must be from 1 to 9");
  give_routes({table({{"nmae", {"a", {14, 1}}}}, 11)});
  EXPECT_EQ(problem(), "14: plugin.x: option routes[0].nmae is unknown (allowed: name, weight)");
  give_routes({{"text", {15, 2}}});
  EXPECT_EQ(problem(), "15: plugin.x: option routes[0] must be a table");
  give("routes", std::string("text"));
  EXPECT_EQ(problem(), "10: plugin.x: option routes must be a list of tables");
}

TEST_F(TablesTest, OneTableIsAListOfOne) {
  give("routes", OptionValue::Map{{"name", {"a", {11, 1}}}});
  const lsmtpd_config* c = check(kTables);
  ASSERT_TRUE(problems_.empty()) << problems_[0].message;
  EXPECT_EQ(c->count(c, "routes"), 1u);
  const lsmtpd_config* one = c->table(c, "routes", 0);
  EXPECT_EQ(view(one->string(one, "name")), "a");
  EXPECT_EQ(one->integer(one, "weight"), 1);
}

TEST_F(TablesTest, MistakesInOneTableAreNamedWithTheirPlace) {
  give("routes", OptionValue::Map{{"name", {"a", {11, 1}}}, {"weight", {int64_t{10}, {13, 4}}}});
  EXPECT_EQ(problem(), "13: plugin.x: option routes.weight must be from 1 to 9");
  give("routes", OptionValue::Map{});
  EXPECT_EQ(problem(), "10: plugin.x: option routes.name is missing");
  give("routes", OptionValue::Map{{"name", {"a", {11, 8}}}});
  check(kTables, [](const lsmtpd_config*, const lsmtpd_report* report) {
    report->error(report, str("routes[0].name"), str("is taken"));
  });
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].position.line, 11u);
}

TEST_F(TablesTest, AReportNamesAColumnsPlace) {
  give_routes({table({{"name", {"a", {11, 8}}}}, 11)});
  check(kTables, [](const lsmtpd_config*, const lsmtpd_report* report) {
    report->error(report, str("routes[0].name"), str("is taken"));
  });
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].position.line, 11u);
  EXPECT_EQ(problems_[0].position.column, 8u);
}

// A plugin with older headers.
TEST_F(TablesTest, RowsAreReadByTheirStride) {
  struct Short {
    char bytes[offsetof(lsmtpd_option, columns)];
  };
  std::vector<Short> rows(2);
  for (size_t i = 0; i < 2; ++i) std::memcpy(&rows[i], &kColumns[i], sizeof(Short));
  give("name", std::string("n"));
  const lsmtpd_options_1 table = {reinterpret_cast<const lsmtpd_option*>(rows.data()), 2,
                                  sizeof(Short), nullptr};
  EXPECT_EQ(fault_of(table), "");
  options_ = Options::validate(entry_, &table, problems_);
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(number("weight"), 1);
}

TEST_F(TablesTest, TablesThatAreBrokenAreFaultsOfThePlugin) {
  lsmtpd_option row = kTables[0];
  const auto fault = [&] { return fault_of({&row, 1, sizeof row, nullptr}); };
  EXPECT_EQ(fault(), "");
  row.column_count = 0;
  EXPECT_EQ(fault(), "routes is a list of tables without columns");
  row = kTables[0];
  row.columns = kTables;
  row.column_count = 1;
  EXPECT_EQ(fault(), "routes: routes is a list of tables inside a table");
}

TEST(OptionTableTest, AValueIsTheDefaultInWhateverFormItIsWritten) {
  const auto same = [](uint32_t type, const char* usual,
                       decltype(config::OptionValue::value) given) {
    const lsmtpd_option option{"key", type, 0, usual, 0, 0, nullptr, "", nullptr, 0, 0};
    return is_default(option, {std::move(given), {}});
  };
  using List = config::OptionValue::List;
  EXPECT_TRUE(same(LSMTPD_TYPE_SIZE, "1MiB", std::string("1024KiB")));
  EXPECT_TRUE(same(LSMTPD_TYPE_SIZE, "1MiB", int64_t{1} << 20));
  EXPECT_FALSE(same(LSMTPD_TYPE_SIZE, "1MiB", std::string("1MiBx")));
  EXPECT_TRUE(same(LSMTPD_TYPE_DURATION, "0s", int64_t{0}));
  EXPECT_TRUE(same(LSMTPD_TYPE_DURATION, "1m", std::string("60s")));
  EXPECT_FALSE(same(LSMTPD_TYPE_DURATION, "1m", std::string("61s")));
  EXPECT_TRUE(same(LSMTPD_TYPE_BOOL, "true", true));
  EXPECT_FALSE(same(LSMTPD_TYPE_BOOL, "true", false));
  EXPECT_TRUE(same(LSMTPD_TYPE_INT, "4", int64_t{4}));
  EXPECT_FALSE(same(LSMTPD_TYPE_STRING, "a", std::string("b")));
  EXPECT_TRUE(same(LSMTPD_TYPE_LIST, "queue", List{{std::string("queue"), {}}}));
  EXPECT_FALSE(same(LSMTPD_TYPE_LIST, "queue", List{}));
  EXPECT_FALSE(same(LSMTPD_TYPE_MAP, "", config::OptionValue::Map{}));
}

}  // namespace
}  // namespace lsmtpd::plugin
