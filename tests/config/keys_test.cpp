// SPDX-License-Identifier: Apache-2.0
// Every key of the table, through everything that comes from the table: a key that is added to it
// has these properties without another line.

#include "config/keys.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "config/reader.hpp"
#include "config/reference.hpp"
#include "key_values.hpp"

namespace lsmtpd::config {

void PrintTo(const Key& key, std::ostream* out);
void PrintTo(const Key& key, std::ostream* out) {
  *out << info(key.section).name << '.' << key.name;
}

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string full_name(const Key& key) {
  return fmt::format("{}.{}", info(key.section).name, key.name);
}

// A configuration without mistakes in which `line` stands in the section of the key.
std::string text_with(Section wanted, const std::string& line, std::string_view without = {}) {
  std::string text;
  const auto add = [&](Section section, const std::string& header, std::string_view key,
                       const std::string& rest) {
    text += header + "\n" + (section == wanted ? line + "\n" : "");
    if (section != wanted || key != without) text += rest + "\n";
  };
  for (const Section section : {Section::server, Section::tls, Section::limits, Section::timeouts,
                                Section::log, Section::admin})
    add(section, std::string(info(section).header), {}, {});
  add(Section::listener, "[[listener]]", "address", "address = \"*:0\"");
  if (without != "chain") text += "chain = \"out\"\n";
  add(Section::plugin, "[plugin.out]", "use", "use = \"y\"");
  add(Section::chain, "[chain.out]", "steps", "steps = [\"out\"]");
  add(Section::route, "[[chain.out.route]]", "steps", "steps = [\"out\"]");
  if (without != "recipients") text += "recipients = [\"*@example.org\"]\n";
  return text;
}

class EveryKey : public testing::TestWithParam<Key> {};

TEST_P(EveryKey, HasAHelpTextThatFitsATableCell) {
  const Key& key = GetParam();
  EXPECT_GT(key.help.size(), 10u);
  EXPECT_LE(key.help.size(), 160u);
  EXPECT_TRUE(key.help.ends_with('.')) << key.help;
}

TEST_P(EveryKey, HasADefaultThatItAllows) {
  const Key& key = GetParam();
  if (key.required || !key.computed.empty() || key.type == Type::options) return;
  if (key.type == Type::texts || key.type == Type::networks || key.type == Type::servers) return;
  if (key.type == Type::certificates) return;
  const auto value = parse_value(key, key.default_value);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_TRUE(check_value(key, *value));
  EXPECT_EQ(toml_text(key, *value), default_text(key));
}

TEST_P(EveryKey, IsReadFromTheFileAndPrintedAgain) {
  const Key& key = GetParam();
  if (key.type == Type::options) return;  // its keys are a plugin's
  const Value value = other_value(key, 70'001);
  const std::string line = fmt::format("{} = {}", key.name, toml_text(key, value));
  const Loaded loaded = load_text(text_with(key.section, line, key.name), "f");
  EXPECT_EQ(toml_text(key, key.get(part(loaded.config, key.section))), toml_text(key, value));
  EXPECT_THAT(print(loaded.config), HasSubstr("\n" + line + "\n"));
  Printing changed;
  changed.only_changed = true;
  EXPECT_THAT(print(loaded.config, changed), HasSubstr("\n" + line + "\n"));
}

TEST_P(EveryKey, RefusesAnotherTypeAtItsPlace) {
  const Key& key = GetParam();
  const std::string wrong = "1985-04-12";
  const std::string line = fmt::format("{} = {}", key.name, wrong);
  const Loaded loaded = load_text(text_with(key.section, line, key.name), "f");
  std::vector<std::string> errors;
  for (const Diagnostic& one : loaded.diagnostics) {
    if (!one.warning && one.message.find("must be ") != std::string::npos)
      errors.push_back(fmt::format("{}: {}", one.position.column, one.message));
  }
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_THAT(errors[0], HasSubstr(fmt::format("{}: ", key.name.size() + 4)));
  EXPECT_THAT(errors[0], HasSubstr(std::string(key.name) + " must be "));
}

TEST_P(EveryKey, IsNamedWhereItChangesAndIsFixed) {
  const Key& key = GetParam();
  if (key.type == Type::options) return;
  const Value value = other_value(key, 70'001);
  const std::string line = fmt::format("{} = {}", key.name, toml_text(key, value));
  const Loaded now = load_text(text_with(key.section, ""), "f");
  const Loaded next = load_text(text_with(key.section, line, key.name), "f");
  EXPECT_THAT(fixed_changes(next.config, next.config), IsEmpty());
  const auto changes = fixed_changes(now.config, next.config);
  ASSERT_EQ(changes.size(), key.fixed ? 1u : 0u);
  if (!key.fixed) return;
  EXPECT_EQ(full_name(changes[0].key), full_name(key));
  EXPECT_GT(changes[0].at.line, 0u);
}

TEST_P(EveryKey, IsTheHintForAMistypedOne) {
  const Key& key = GetParam();
  const std::string mistyped = std::string(key.name) + "x";
  const Loaded loaded = load_text(text_with(key.section, mistyped + " = 1"), "f");
  std::vector<std::string> hints;
  for (const Diagnostic& one : loaded.diagnostics) {
    if (one.message.find("unknown key \"" + mistyped) != std::string::npos)
      hints.push_back(one.hint);
  }
  EXPECT_THAT(hints, ElementsAre(fmt::format("did you mean \"{}\"?", key.name)));
}

TEST_P(EveryKey, StandsInTheShippedFileWithItsDefaultIfAtAll) {
  const Key& key = GetParam();
  std::ifstream file(LSMTPD_SOURCE_DIR "/etc/lsmtpd.toml");
  std::string section, line;
  while (std::getline(file, line)) {
    if (line.starts_with("[")) section = line.substr(0, line.find(']') + 1);
    if (section != info(key.section).header.substr(0, section.size())) continue;
    const std::string start = fmt::format("# {} ", key.name);
    if (!line.starts_with(start) || key.type == Type::options) continue;
    const size_t at = line.find("= ");
    ASSERT_NE(at, line.npos) << line;
    const std::string value = line.substr(at + 2, line.find("  #") - at - 2);
    if (key.computed.empty()) {
      EXPECT_EQ(value.substr(0, value.find_last_not_of(' ') + 1), default_text(key)) << line;
    }
  }
}

std::string name_of_key(const testing::TestParamInfo<Key>& one) {
  return fmt::format("{}_{}", info(one.param.section).name, one.param.name);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryKey, testing::ValuesIn(all_keys().begin(), all_keys().end()),
                         name_of_key);

TEST(Keys, HaveANameOfTheirOwnInTheirSection) {
  std::set<std::string> names;
  for (const Key& key : all_keys()) EXPECT_TRUE(names.insert(full_name(key)).second) << key.name;
}

TEST(Keys, OfASectionStandTogether) {
  size_t count = 0;
  for (const SectionInfo& one : sections()) {
    for (const Key& key : keys_of(one.section)) EXPECT_EQ(key.section, one.section);
    count += keys_of(one.section).size();
    EXPECT_EQ(&info(one.section), &one);
  }
  EXPECT_EQ(count, all_keys().size());
}

TEST(Keys, OfNetworksAreReadWithTheirMistakes) {
  struct Exempt {
    std::vector<Network> networks;
  } target;
  Key key{Section::limits, "exempt", Type::networks, {}};
  key.set = [](void* section, const Value& value) {
    static_cast<Exempt*>(section)->networks = std::get<std::vector<Network>>(value);
  };
  const Document document = parse_toml(
      "exempt = [\"192.0.2.0/24\", \"2001:db8::/32\", \"::1\", \"192.0.2.1/24\", \"x\", 5]");
  Diagnostics diagnostics;
  Given given;
  Reader(document.root, "limits", "[limits]", diagnostics).read(key, &target, given);
  ASSERT_EQ(target.networks.size(), 3u);
  EXPECT_EQ(toml_text(key, target.networks), "[\"192.0.2.0/24\", \"2001:db8::/32\", \"::1/128\"]");
  std::vector<std::string> shown;
  for (const Diagnostic& one : diagnostics) shown.push_back(format(one, "f"));
  EXPECT_THAT(
      shown,
      ElementsAre("f:1:51: error: limits.exempt \"192.0.2.1/24\" has bits set behind its "
                  "prefix: the network is \"192.0.2.0/24\"",
                  "f:1:67: error: limits.exempt \"x\" is not a network: write ADDRESS/BITS, "
                  "such as \"192.0.2.0/24\"",
                  "f:1:72: error: limits.exempt must be a list of networks, not an integer"));
}

std::string content(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(LSMTPD_SOURCE_DIR "/" + file).rdbuf();
  return text.str();
}

TEST(Reference, TheCommittedDocumentsAreInStepWithTheTable) {
  for (const char* file : {"docs/configuration.md", "docs/man/lsmtpd.toml.5"}) {
    const auto made = with_key_tables(content(file));
    ASSERT_TRUE(made) << file << ": " << made.error().message;
    EXPECT_EQ(*made, content(file)) << "build the target `reference`: it writes " << file;
  }
}

TEST(Reference, EveryKeyStandsInBothDocuments) {
  for (const Key& key : all_keys()) {
    EXPECT_THAT(content("docs/configuration.md"), HasSubstr(fmt::format("| `{}` | ", key.name)));
    std::string name(key.name);
    EXPECT_THAT(content("docs/man/lsmtpd.toml.5"), HasSubstr(fmt::format(".TP\n.B {}\n", name)));
  }
}

TEST(Reference, ADocumentThatLacksASectionIsAnError) {
  const auto made = with_key_tables("# Title\n<!-- keys: server -->\n<!-- end of keys -->\n");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "no \"keys: admin\"");
  EXPECT_FALSE(with_key_tables("<!-- keys: sever -->\n<!-- end of keys -->\n"));
  EXPECT_FALSE(with_key_tables("<!-- keys: server -->\n"));
}

}  // namespace
}  // namespace lsmtpd::config
