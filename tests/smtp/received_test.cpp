// SPDX-License-Identifier: Apache-2.0
#include "smtp/received.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::smtp {
namespace {

// Whole and octet by octet.
uint32_t fields_in(std::string_view text) {
  ReceivedCounter whole;
  whole.feed(text);
  ReceivedCounter octets;
  for (size_t i = 0; i < text.size(); ++i) octets.feed(text.substr(i, 1));
  EXPECT_EQ(whole.fields(), octets.fields());
  return whole.fields();
}

TEST(ReceivedCounter, CountsFieldsInAnyCase) {
  EXPECT_EQ(fields_in("Received: x\r\nRECEIVED:y\r\nreceived :z\r\nreceived\t: z\r\n"), 4U);
}

TEST(ReceivedCounter, CountsNothingElse) {
  EXPECT_EQ(
      fields_in(
          "X-Received: x\r\n Received: folded\r\nReceived-SPF: x\r\nReceive: x\r\nReceivedx: y\r\n"
          "Received x: y\r\nrereceived: x\r\n"),
      0U);
}

TEST(ReceivedCounter, StopsAtTheBody) {
  EXPECT_EQ(fields_in("Received: x\r\n\r\nReceived: y\r\n"), 1U);
  EXPECT_EQ(fields_in("\r\nReceived: y\r\n"), 0U);
  EXPECT_EQ(fields_in("Received: x\n\nReceived: y\n"), 1U);
}

TEST(ReceivedCounter, IsNotMisledByAShortLine) {
  EXPECT_EQ(fields_in("R\nReceived\nReceived: x\r\n"), 1U);
  EXPECT_EQ(fields_in("\rReceived: x\r\nReceived: y\r\n"), 1U);
}

TEST(ReceivedCounter, ReadsAHeaderOf100000Lines) {
  std::string header;
  for (int i = 0; i < 100'000; ++i) header += "R: x\r\n";
  EXPECT_EQ(fields_in(header + "Received: x\r\n"), 1U);
}

}  // namespace
}  // namespace lsmtpd::smtp
