// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "list_text.hpp"

namespace lsmtpd::access {
namespace {

std::string mistake(std::string_view text) {
  ImageBuilder builder;
  return read_list(text, builder);
}

TEST(List, HasCommentsEmptyLinesAndAnyLineEnd) {
  ImageBuilder builder;
  EXPECT_EQ(read_list("# a list\r\n\r\n  192.0.2.0/24\t reject 5.7.1 no \r\nexample.org\n\"a "
                      "b\"@example.org accept\n<>",
                      builder),
            "");
  EXPECT_EQ(builder.networks(), 1u);
  EXPECT_EQ(builder.names(), 1u);
  EXPECT_EQ(builder.addresses(), 2u);
}

TEST(List, MistakeNamesItsLine) {
  EXPECT_EQ(mistake("a.example\n\n10.0.0.1/8\n"),
            "line 3: \"10.0.0.1/8\" has bits behind its prefix; the network is 10.0.0.0/8");
  EXPECT_EQ(
      mistake("a.example refuse"),
      "line 1: \"refuse\" is no verdict; there are: accept, continue, reject, tempfail, annotate");
  EXPECT_EQ(mistake("10.0.0.300"), "line 1: \"10.0.0.300\" is no address and no network");
  EXPECT_EQ(mistake("a.*.example"),
            "line 1: \"a.*.example\" is no domain; a * may only stand before all of it, as in "
            "*.example.org");
  EXPECT_EQ(mistake("joe\rann@example.org"), "line 1: it has control characters");
  EXPECT_NE(mistake("@example.org"), "");
  EXPECT_NE(mistake("j*@example.org"), "");
  EXPECT_NE(mistake("joe@*.example.org"), "");
  EXPECT_NE(mistake("example..org"), "");
  EXPECT_NE(mistake("*."), "");
}

TEST(List, EntryThatNobodyCanSendIsRefused) {
  EXPECT_NE(mistake(std::string(2000, 'a')), "");
}

TEST(List, TooManyDifferentVerdictsAreAMistakeNotAWrap) {
  ImageBuilder builder;
  std::string problem, error;
  for (int i = 0; i < 66000 && error.empty(); ++i)
    error = builder.add(*parse_pattern("a.example", problem), "reject " + std::to_string(i));
  EXPECT_EQ(error, "more than 65000 different verdicts");
}

}  // namespace
}  // namespace lsmtpd::access
