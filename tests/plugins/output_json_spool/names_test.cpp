// SPDX-License-Identifier: Apache-2.0
#include "file_names.hpp"

#include <gtest/gtest.h>

#include "terminal_text.hpp"

namespace lsmtpd::json_spool {
namespace {

TEST(Names, IdsAreLettersDigitsDashesDotsAndUnderscores) {
  EXPECT_TRUE(valid_id("f6f326ce-2fca-4246-96ba-aab732d44ad0"));
  EXPECT_TRUE(valid_id("f6f326ce-2fca-4246-96ba-aab732d44ad0.spool_2"));
  for (const char* id : {"", ".", "..", ".x", "a/b", "a\\b", "a b", "a\tb", "\xC3\xA9", "a%"}) {
    EXPECT_FALSE(valid_id(id)) << id;
  }
  EXPECT_FALSE(valid_id(std::string_view("a\0b", 3)));
}

TEST(Names, AFileNameHasTheId) {
  EXPECT_EQ(file_name("a.b"), "a.b.json");
  EXPECT_EQ(id_of("a.b.json"), "a.b");
  for (const char* name : {".json", "a.reason", "a.json~", ".lock", "..json", "tmp"}) {
    EXPECT_FALSE(id_of(name)) << name;
  }
}

TEST(TerminalText, ControlCharactersAreShownNotObeyed) {
  EXPECT_EQ(terminal_text("a\x1b[31mb\r\n\x7f"), "a\\x1b[31mb\\x0d\\x0a\\x7f");
  EXPECT_EQ(terminal_text("\xC2\x9B"
                          "31m"),
            "\\xc2\\x9b31m");
  EXPECT_EQ(terminal_text("\xE2\x80\xAEtxt"), "\\xe2\\x80\\xaetxt");
  EXPECT_EQ(terminal_text("bad \xFF"), "bad \\xff");
  EXPECT_EQ(terminal_text("caf\xC3\xA9 \xE2\x82\xAC"), "caf\xC3\xA9 \xE2\x82\xAC");
}

TEST(TerminalText, LinesStayLines) {
  EXPECT_EQ(terminal_lines("A: b\r\n\tc\r\nd\re"), "A: b\n\tc\nd\\x0de\n");
}

}  // namespace
}  // namespace lsmtpd::json_spool
