// SPDX-License-Identifier: Apache-2.0
#include "smtp/header_scanner.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::smtp {
namespace {

// Whole and octet by octet.
uint32_t fields_in(std::string_view text) {
  HeaderScanner whole;
  whole.feed(text);
  HeaderScanner octets;
  for (size_t i = 0; i < text.size(); ++i) octets.feed(text.substr(i, 1));
  EXPECT_EQ(whole.received_fields(), octets.received_fields());
  return whole.received_fields();
}

TEST(HeaderScanner, CountsFieldsInAnyCase) {
  EXPECT_EQ(fields_in("Received: x\r\nRECEIVED:y\r\nreceived :z\r\nreceived\t: z\r\n"), 4U);
}

TEST(HeaderScanner, CountsNothingElse) {
  EXPECT_EQ(
      fields_in(
          "X-Received: x\r\n Received: folded\r\nReceived-SPF: x\r\nReceive: x\r\nReceivedx: y\r\n"
          "Received x: y\r\nrereceived: x\r\n"),
      0U);
}

TEST(HeaderScanner, StopsAtTheBody) {
  EXPECT_EQ(fields_in("Received: x\r\n\r\nReceived: y\r\n"), 1U);
  EXPECT_EQ(fields_in("\r\nReceived: y\r\n"), 0U);
  EXPECT_EQ(fields_in("Received: x\n\nReceived: y\n"), 1U);
}

TEST(HeaderScanner, IsNotMisledByAShortLine) {
  EXPECT_EQ(fields_in("R\nReceived\nReceived: x\r\n"), 1U);
  EXPECT_EQ(fields_in("\rReceived: x\r\nReceived: y\r\n"), 1U);
}

TEST(HeaderScanner, ReadsAHeaderOf100000Lines) {
  std::string header;
  for (int i = 0; i < 100'000; ++i) header += "R: x\r\n";
  EXPECT_EQ(fields_in(header + "Received: x\r\n"), 1U);
}

std::string message_id_in(std::string_view text) {
  HeaderScanner whole;
  whole.feed(text);
  HeaderScanner octets;
  for (size_t i = 0; i < text.size(); ++i) octets.feed(text.substr(i, 1));
  EXPECT_EQ(whole.message_id(), octets.message_id());
  return std::string(whole.message_id());
}

TEST(HeaderScanner, FindsTheMessageId) {
  EXPECT_EQ(message_id_in("From: x\r\nMessage-ID: <a@b>\r\nMessage-Id: <c@d>\r\n\r\n"), "<a@b>");
  EXPECT_EQ(message_id_in("MESSAGE-ID :<a@b>\n\nx"), "<a@b>");
  EXPECT_EQ(message_id_in("Message-ID:\r\n <a@b>\r\nTo: x\r\n"), "<a@b>") << "folded";
  EXPECT_EQ(message_id_in("Message-ID-x: <a@b>\r\nX-Message-ID: <a@b>\r\n"), "");
  EXPECT_EQ(message_id_in("Subject: x\r\n\r\nMessage-ID: <a@b>\r\n"), "") << "of the body";
}

TEST(HeaderScanner, KeepsSoMuchOfAMessageId) {
  const std::string id = message_id_in("Message-ID: " + std::string(100'000, 'x') + "\r\n");
  EXPECT_EQ(id, std::string(HeaderScanner::kLongestValue - 1, 'x'));
}

TEST(HeaderScanner, CountsReceivedFieldsAroundAMessageId) {
  EXPECT_EQ(fields_in("Received: a\r\nMessage-ID: <a@b>\r\n folded\r\nReceived: b\r\n\r\n"), 2U);
}

std::string traceparent_in(std::string_view text) {
  HeaderScanner whole, octets;
  whole.want_traceparent();
  octets.want_traceparent();
  whole.feed(text);
  for (size_t i = 0; i < text.size(); ++i) octets.feed(text.substr(i, 1));
  EXPECT_EQ(whole.traceparent(), octets.traceparent());
  EXPECT_EQ(whole.message_id(), octets.message_id());
  EXPECT_EQ(whole.received_fields(), octets.received_fields());
  return std::string(whole.traceparent());
}

TEST(HeaderScanner, KeepsTheTraceparentWhereItIsWanted) {
  EXPECT_EQ(traceparent_in("To: x\r\nTraceparent: 00-a \r\nMessage-ID: <a@b>\r\n"), "00-a");
  EXPECT_EQ(traceparent_in("TRACEPARENT:\r\n 00-a\r\nReceived: x\r\n"), "00-a") << "folded";
  EXPECT_EQ(traceparent_in("traceparents: 00-a\r\nX-traceparent: 00-a\r\n"), "");
  EXPECT_EQ(traceparent_in("Subject: x\r\n\r\ntraceparent: 00-a\r\n"), "") << "of the body";
  EXPECT_EQ(traceparent_in("traceparent: " + std::string(100'000, 'x')).size(),
            HeaderScanner::kLongestValue - 1);
  HeaderScanner other;
  other.feed("traceparent: 00-a\r\n");
  EXPECT_EQ(other.traceparent(), "");
}

TEST(HeaderScanner, TakesSeveralTraceparentsForNone) {
  EXPECT_EQ(traceparent_in("traceparent: 00-a\r\ntraceparent: 00-a\r\n"), "");
  EXPECT_EQ(traceparent_in("traceparent: 00-a\r\nA: b\r\ntraceparent:\r\ntraceparent: c\r\n"), "");
}

TEST(HeaderScanner, CountsAndKeepsTheOthersBesideATraceparent) {
  HeaderScanner scanner;
  scanner.want_traceparent();
  scanner.feed("Received: x\r\ntraceparent: a\r\n b\r\nMessage-ID: <a@b>\r\nReceived: y\r\n");
  EXPECT_EQ(scanner.received_fields(), 2U);
  EXPECT_EQ(scanner.message_id(), "<a@b>");
  EXPECT_EQ(scanner.traceparent(), "a\rb");
}

}  // namespace
}  // namespace lsmtpd::smtp
