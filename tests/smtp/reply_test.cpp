// SPDX-License-Identifier: Apache-2.0
#include "smtp/reply.hpp"

#include <gtest/gtest.h>

#include "smtp/replies.hpp"

namespace lsmtpd::smtp {
namespace {

std::string text_of(const Reply& reply) {
  std::string out;
  append(out, reply);
  return out;
}

TEST(Reply, IsOneLine) {
  EXPECT_EQ(text_of({250, "2.0.0", "Ok"}), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(text_of({354, "", "Go on"}), "354 Go on\r\n");
  EXPECT_EQ(text_of({250, "", ""}), "250\r\n");
}

TEST(Reply, CannotBeBrokenOutOf) {
  EXPECT_EQ(text_of({554, "5.7.1", "a\r\n250 2.0.0 Ok\x1b[31m\xff"}),
            "554 5.7.1 a??250 2.0.0 Ok?[31m?\r\n");
  EXPECT_EQ(text_of({554, "5.7.1\r\n", "a"}), "554 5.7.1?? a\r\n");
}

TEST(Reply, IsCutAt512Octets) {
  const std::string text = text_of({554, "5.7.1", std::string(1000, 'x')});
  EXPECT_EQ(text.size(), 512U);
  EXPECT_TRUE(text.ends_with("x\r\n"));
}

TEST(Reply, FollowsWhatWasThere) {
  std::string out = "before\r\n";
  append(out, {250, "2.0.0", "Ok"});
  EXPECT_EQ(out, "before\r\n250 2.0.0 Ok\r\n");
}

TEST(FixedReply, GivesItsReasonWithoutTheCodes) {
  EXPECT_EQ(replies::reason_of(replies::nested_mail), "Nested MAIL: transaction already under way");
  EXPECT_EQ(replies::reason_of(replies::bare_cr), "bare CR in data");
}

}  // namespace
}  // namespace lsmtpd::smtp
