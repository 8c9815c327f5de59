// SPDX-License-Identifier: Apache-2.0
#include "smtp/content_receiver.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::smtp {
namespace {

using Found = ContentReceiver::Found;

class ContentReceiverTest : public testing::Test {
 protected:
  // Takes all input; returns the findings in order, without pieces.
  std::vector<Found> take(std::string_view input) {
    std::vector<Found> all;
    for (;;) {
      std::string_view piece;
      const Found found = content_.take(input, piece);
      if (found == Found::piece) {
        kept_ += piece;
        continue;
      }
      all.push_back(found);
      if (found == Found::nothing || found == Found::end || found == Found::endless) return all;
    }
  }
  std::string verdict() {
    ReplyWriter writer;
    content_.write_verdict(writer, 1);
    return writer.text();
  }

  ContentReceiver content_;
  ContentReceiver::Rules rules_{
      .normalize_bare_lf = false, .received_headers = 2, .traceparent = false};
  std::string kept_;
};

TEST_F(ContentReceiverTest, TakesDataUpToItsEnd) {
  content_.begin_data(rules_);
  EXPECT_EQ(take("..hello\r\n.\r\n"), std::vector{Found::end});
  EXPECT_EQ(kept_, ".hello\r\n");
  EXPECT_EQ(content_.octets(), 8u);
  EXPECT_FALSE(content_.condemned());
  EXPECT_TRUE(content_.last());
}

TEST_F(ContentReceiverTest, RefusesBareCrOrLfAndReadsToTheEnd) {
  content_.begin_data(rules_);
  EXPECT_EQ(take("a\nb\r\n.\r\n"), (std::vector{Found::condemned, Found::end}));
  EXPECT_EQ(content_.fault(), &replies::kBareLf);
  EXPECT_TRUE(content_.closes()) << "nothing behind it is to be trusted";
}

TEST_F(ContentReceiverTest, CondemnsLargeContentAndEndsAtTwiceTheLimit) {
  content_.set_size_limit(10);
  content_.begin_data(rules_);
  EXPECT_EQ(take("12345678901"), (std::vector{Found::condemned, Found::nothing}));
  EXPECT_EQ(verdict(), "552 5.3.4 Message too large\r\n");
  EXPECT_EQ(take("1234567890"), std::vector{Found::endless});
}

TEST_F(ContentReceiverTest, CondemnsALoop) {
  content_.begin_data(rules_);
  EXPECT_EQ(take("Received: a\r\nReceived: b\r\nReceived: c\r\n\r\n.\r\n"),
            (std::vector{Found::condemned, Found::end}));
  EXPECT_EQ(content_.fault(), &replies::kLoop);
  EXPECT_FALSE(content_.closes());
}

TEST_F(ContentReceiverTest, AChunkEndsByItsSize) {
  content_.begin_chunk(5, false);
  content_.begin_chunks(rules_, false);
  std::string_view input = "abc";
  EXPECT_EQ(take(input), std::vector{Found::nothing});
  EXPECT_EQ(take("deNOOP\r\n"), std::vector{Found::end});
  EXPECT_EQ(kept_, "abcde");
  EXPECT_FALSE(content_.last());
  content_.begin_chunk(1, true);
  EXPECT_EQ(take("\r"), (std::vector{Found::condemned, Found::end})) << "a bare CR";
  EXPECT_FALSE(content_.closes()) << "a chunk's end is certain";
}

TEST_F(ContentReceiverTest, AChunkThatTheCallerRefusesIsDrained) {
  content_.begin_chunk(5, true);
  content_.refuse({452, "4.3.1", "No room"});
  EXPECT_TRUE(content_.condemned());
  EXPECT_EQ(content_.fault(), nullptr);
  EXPECT_EQ(take("abcde"), std::vector{Found::end});
  EXPECT_EQ(kept_, "");
  EXPECT_EQ(verdict(), "452 4.3.1 No room\r\n");
  content_.forget_verdict();
  EXPECT_FALSE(content_.condemned());
}

}  // namespace
}  // namespace lsmtpd::smtp
