// SPDX-License-Identifier: Apache-2.0
#include "smtp/replies.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::smtp {
namespace {

std::string text_of(const Reply& reply) {
  ReplyWriter writer;
  writer.write(reply);
  return writer.text();
}

TEST(Reply, IsOneLine) {
  EXPECT_EQ(text_of({250, "2.0.0", "Ok"}), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(text_of({354, "", "Go on"}), "354 Go on\r\n");
  EXPECT_EQ(text_of({250, "", ""}), "250\r\n");
}

TEST(Reply, HasTheCodesInEachOfItsLines) {
  EXPECT_EQ(text_of({554, "5.7.1", "one\ntwo\n\nfour"}),
            "554-5.7.1 one\r\n554-5.7.1 two\r\n554-5.7.1\r\n554 5.7.1 four\r\n");
  ReplyWriter writer;
  writer.write({550, "", "a\nb"}, 2);
  EXPECT_EQ(writer.text(), "550-a\r\n550 b\r\n550-a\r\n550 b\r\n");
}

TEST(Reply, CannotBeBrokenOutOf) {
  EXPECT_EQ(text_of({554, "5.7.1", "a\r\n250 2.0.0 Ok\x1b[31m\xff"}),
            "554-5.7.1 a?\r\n554 5.7.1 250 2.0.0 Ok?[31m?\r\n");
  EXPECT_EQ(text_of({554, "5.7.1\r\n", "a"}), "554 5.7.1?? a\r\n");
}

TEST(Reply, IsCutAt512Octets) {
  const std::string text = text_of({554, "5.7.1", std::string(1000, 'x')});
  EXPECT_EQ(text.size(), 512U);
  EXPECT_TRUE(text.ends_with("x\r\n"));
}

TEST(Reply, FollowsWhatWasThere) {
  ReplyWriter writer;
  writer.write(replies::kBye);
  writer.write({250, "2.0.0", "Ok"}, 2);
  EXPECT_EQ(writer.text(), "221 2.0.0 Bye\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
}

TEST(FixedReply, GivesItsReasonWithoutTheCodes) {
  EXPECT_EQ(replies::reason_of(replies::kNestedMail), "Nested MAIL: transaction already under way");
  EXPECT_EQ(replies::reason_of(replies::kBareCr), "bare CR in data");
}

TEST(FixedReply, IsTheSameAsAValue) {
  const Reply reply = make(replies::kOutOfMemory);
  EXPECT_EQ(reply.code, 421);
  EXPECT_EQ(reply.enhanced, "4.3.2");
  EXPECT_EQ(reply.text, "Out of memory, try again later");
  const Reply plain = make(replies::kGoAhead);
  EXPECT_EQ(plain.code, 354);
  EXPECT_EQ(plain.enhanced, "");
  EXPECT_EQ(plain.text, "End data with <CR><LF>.<CR><LF>");
  EXPECT_EQ(text_of(plain), std::string(replies::kGoAhead.line) + "\r\n");
}

TEST(Reply, OfSeveralLinesHasItsCodesInEach) {
  EXPECT_EQ(text_of({554, "5.7.1", "Refused\nfor a reason\nof mine"}),
            "554-5.7.1 Refused\r\n554-5.7.1 for a reason\r\n554 5.7.1 of mine\r\n");
  EXPECT_EQ(text_of({250, "", "a\n"}), "250-a\r\n250\r\n");
  ReplyWriter writer;
  writer.write({250, "", "a\nb"}, 2);
  EXPECT_EQ(writer.text(), "250-a\r\n250 b\r\n250-a\r\n250 b\r\n");
}

}  // namespace
}  // namespace lsmtpd::smtp
