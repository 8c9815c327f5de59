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

TEST(ReceivedCounter, counts_fields_in_any_case) {
  EXPECT_EQ(fields_in("Received: x\r\nRECEIVED:y\r\nreceived :z\r\nreceived\t: z\r\n"), 4U);
}

TEST(ReceivedCounter, counts_nothing_else) {
  EXPECT_EQ(
      fields_in(
          "X-Received: x\r\n Received: folded\r\nReceived-SPF: x\r\nReceive: x\r\nReceivedx: y\r\n"
          "Received x: y\r\nrereceived: x\r\n"),
      0U);
}

TEST(ReceivedCounter, stops_at_the_body) {
  EXPECT_EQ(fields_in("Received: x\r\n\r\nReceived: y\r\n"), 1U);
  EXPECT_EQ(fields_in("\r\nReceived: y\r\n"), 0U);
  EXPECT_EQ(fields_in("Received: x\n\nReceived: y\n"), 1U);
}

TEST(ReceivedCounter, is_not_misled_by_a_short_line) {
  EXPECT_EQ(fields_in("R\nReceived\nReceived: x\r\n"), 1U);
  EXPECT_EQ(fields_in("\rReceived: x\r\nReceived: y\r\n"), 1U);
}

TEST(ReceivedCounter, reads_a_header_of_100000_lines) {
  std::string header;
  for (int i = 0; i < 100'000; ++i) header += "R: x\r\n";
  EXPECT_EQ(fields_in(header + "Received: x\r\n"), 1U);
}

}  // namespace
}  // namespace lsmtpd::smtp
