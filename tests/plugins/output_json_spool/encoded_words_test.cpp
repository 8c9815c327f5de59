// SPDX-License-Identifier: Apache-2.0
#include <encoded_words.hpp>

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::json_spool {
namespace {

TEST(EncodedWords, AreDecoded) {
  EXPECT_EQ(decode_words("=?UTF-8?Q?caf=C3=A9?="), "caf\u00e9");
  EXPECT_EQ(decode_words("=?utf-8?b?Y2Fmw6k=?="), "caf\u00e9");
  EXPECT_EQ(decode_words("Re: =?iso-8859-1?q?caf=e9_au_lait?= x"), "Re: caf\u00e9 au lait x");
  EXPECT_EQ(decode_words("=?US-ASCII*EN?Q?Keith_Moore?="), "Keith Moore");
  EXPECT_EQ(decode_words("=?ISO-8859-15?Q?=A4=BC?="), "\u20ac\u0152");
  EXPECT_EQ(decode_words("=?Windows-1252?Q?=80=81=9F=E4?="), "\u20ac\ufffd\u0178\u00e4");
}

TEST(EncodedWords, BlanksBetweenThemGo) {
  EXPECT_EQ(decode_words("=?UTF-8?Q?a?= =?UTF-8?Q?b?="), "ab");
  EXPECT_EQ(decode_words("=?UTF-8?Q?a?= \t =?UTF-8?Q?b?= c"), "ab c");
  EXPECT_EQ(decode_words("=?UTF-8?Q?a?= b =?UTF-8?Q?c?="), "a b c");
  EXPECT_EQ(decode_words("=?UTF-8?B?w?= =?UTF-8?Q?=C3?= =?UTF-8?Q?=A9?="), "=?UTF-8?B?w?= \u00e9")
      << "a character that is divided, behind a word that is none";
}

TEST(EncodedWords, WhatIsNoneStaysAsItIs) {
  for (const char* text :
       {"", "=", "=?",
        "=?\x3f=",  // no trigraph
        "=?UTF-8?", "=?UTF-8?Q?", "=?UTF-8?Q?a", "=?UTF-8?Q?a?", "=?UTF-8?X?a?=", "=?UTF-8?Q?a b?=",
        "=?UTF-8?Q?=4?=", "=?UTF-8?Q?=GG?=", "=?UTF-8?B?Y2Fm*w6k=?=",
        "=?ISO-2022-JP?B?GyRCIyQbKEI=?=", "=?../x?Q?a?=", "100 =? 100?", "plain  text"})
    EXPECT_EQ(decode_words(text), text);
}

TEST(EncodedWords, LongTextTakesLinearTime) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "=?=?UTF-8?Q?";
  EXPECT_EQ(decode_words(text), text);
}

}  // namespace
}  // namespace lsmtpd::json_spool
