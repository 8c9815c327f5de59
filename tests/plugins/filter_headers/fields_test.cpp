// SPDX-License-Identifier: Apache-2.0
#include "fields.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace filter_headers {
namespace {

lsmtpd_str str(std::string_view text) {
  return {text.data(), text.size()};
}

lsmtpd_envelope envelope() {
  static const lsmtpd_recipient recipients[] = {{str("b@example.org"), {}, 0, 0},
                                                {str("c@example.org"), {}, 1, 0}};
  lsmtpd_envelope envelope{};
  envelope.size = sizeof envelope;
  envelope.id = str("0f0e0d0c-0000-4000-8000-000000000001");
  envelope.time_ns = 1795317504123456789;  // 2026-11-22T03:18:24Z
  envelope.reverse_path = str("a@example.org");
  envelope.recipients = recipients;
  envelope.recipient_stride = sizeof recipients[0];
  envelope.recipient_count = 1;
  envelope.helo = str("client.example.net");
  envelope.protocol = str("ESMTP");
  envelope.listener = str("mx");
  envelope.peer_address = str("192.0.2.1");
  return envelope;
}

size_t longest_line(const std::string& text) {
  size_t longest = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    longest = std::max(longest, end - at);
    at = end + 2;
  }
  return longest;
}

std::string unfolded(std::string text) {
  for (size_t at; (at = text.find("\r\n ")) != std::string::npos;) text.erase(at, 2);
  return text;
}

TEST(Received, NamesTheOneRecipient) {
  EXPECT_EQ(received(envelope(), "mx.example.com"),
            "Received: from client.example.net ([192.0.2.1])\r\n"
            "\tby mx.example.com with ESMTP\r\n"
            "\tid 0f0e0d0c-0000-4000-8000-000000000001\r\n"
            "\tfor <b@example.org>;\r\n"
            "\tSun, 22 Nov 2026 03:18:24 +0000\r\n");
}

TEST(Received, HidesRecipientsWhereThereAreSeveral) {
  lsmtpd_envelope two = envelope();
  two.recipient_count = 2;
  EXPECT_EQ(received(two, "mx").find("for <"), std::string::npos);
  EXPECT_NE(received(two, "mx").find("000000000001;\r\n\tSun"), std::string::npos);
}

TEST(Received, TakesAddressForMissingHeloAndMarksIPv6) {
  lsmtpd_envelope old = envelope();
  old.helo = {};
  old.peer_address = str("2001:db8::1");
  EXPECT_EQ(received(old, "mx").find("Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"),
            0u);
}

TEST(Received, HeloCannotEndTheClauseOrTheLine) {
  lsmtpd_envelope hostile = envelope();
  hostile.helo = str("x (evil)\r\nBcc: y@z; [1.2.3.4]");
  const std::string text = received(hostile, "mx");
  EXPECT_EQ(text.find("Received: from x??evil???Bcc:?y?z??[1.2.3.4] ([192.0.2.1])\r\n"), 0u)
      << text;
}

TEST(Received, RecipientWithLineEndStaysOnItsLine) {
  static const lsmtpd_recipient hostile = {str("\"a\r\nX: y\"@example.org"), {}, 0, 0};
  lsmtpd_envelope one = envelope();
  one.recipients = &hostile;
  EXPECT_NE(received(one, "mx").find("for <\"a??X: y\"@example.org>;"), std::string::npos);
}

TEST(Received, SaysHowItWasEncrypted) {
  lsmtpd_envelope encrypted = envelope();
  lsmtpd_tls tls{};
  tls.size = sizeof tls;
  tls.version = str("TLSv1.3");
  tls.cipher = str("TLS_AES_256_GCM_SHA384");
  encrypted.tls = &tls;
  EXPECT_NE(received(encrypted, "mx").find("with ESMTP (TLSv1.3 TLS_AES_256_GCM_SHA384)"),
            std::string::npos);
}

TEST(ReturnPath, IsEmptyForBounces) {
  lsmtpd_envelope bounce = envelope();
  EXPECT_EQ(return_path(bounce), "Return-Path: <a@example.org>\r\n");
  bounce.reverse_path = {};
  EXPECT_EQ(return_path(bounce), "Return-Path: <>\r\n");
}

TEST(Date, IsUtcAndDoesNotFollowTheLocale) {
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date(1709164800000000000), "Thu, 29 Feb 2024 00:00:00 +0000");
}

TEST(Field, ShortOneIsOneLine) {
  EXPECT_EQ(field("X-Foo", "bar  baz "), "X-Foo: bar baz\r\n");
  EXPECT_EQ(field("X-Foo", ""), "X-Foo: \r\n");
}

TEST(Field, LineEndsNulAndControlsCannotGetIn) {
  EXPECT_EQ(field("X", std::string_view("a\r\nBcc: b\0c\x7f\td", 14)), "X: a??Bcc: b?c? d\r\n");
}

TEST(Field, LongOneIsFoldedAtSpacesAndUnfoldsToItself) {
  std::string value;
  for (int i = 0; i < 60; ++i) value += "word" + std::to_string(i) + " ";
  value.pop_back();
  const std::string text = field("X-Long", value);
  EXPECT_LE(longest_line(text), 78u);
  EXPECT_EQ(unfolded(text), "X-Long: " + value + "\r\n");
}

TEST(Field, WordLongerThanSoftLimitStaysWhole) {
  const std::string word(500, 'w');
  EXPECT_EQ(field("X", "a " + word + " b"), "X: a\r\n " + word + "\r\n b\r\n");
  EXPECT_EQ(field("X", word), "X: " + word + "\r\n");
}

TEST(Field, WordLongerThanAnyLineIsCutBetweenCharacters) {
  std::string word;
  for (int i = 0; i < 2000; ++i) word += "\xc3\xa9";
  const std::string text = field("X", word);
  EXPECT_LE(longest_line(text), 998u);
  std::string joined = unfolded(text);
  joined.erase(std::remove(joined.begin(), joined.end(), ' '), joined.end());
  EXPECT_EQ(joined, "X:" + word + "\r\n");
  EXPECT_EQ(text.find("\xc3\r\n"), std::string::npos);
}

TEST(FieldName, HasNoColonSpaceOrControl) {
  EXPECT_TRUE(is_field_name("X-Foo_1"));
  for (const char* bad : {"", "X Foo", "X:", "X\r\nY", "\xc3\xa9"})
    EXPECT_FALSE(is_field_name(bad)) << bad;
  EXPECT_FALSE(is_field_name(std::string(77, 'x')));
}

TEST(Template, FillsInWhatIsKnown) {
  Template text;
  ASSERT_EQ(
      text.parse("{id} {peer_address} {helo} {listener} {reverse_path} {protocol} {hostname} {{x}"),
      "");
  EXPECT_EQ(
      text.expand(envelope(), "mx.example.com"),
      "0f0e0d0c-0000-4000-8000-000000000001 192.0.2.1 client.example.net mx a@example.org ESMTP "
      "mx.example.com {x}");
}

TEST(Template, ErrorsNameWhatIsAllowed) {
  Template text;
  EXPECT_NE(
      text.parse("{password}").find("unknown placeholder {password}; there are: {hostname} {id}"),
      std::string::npos);
  EXPECT_NE(text.parse("{id"), "");
}

TEST(Template, ValuesAreNotExpandedAgain) {
  lsmtpd_envelope hostile = envelope();
  hostile.helo = str("{id}");
  Template text;
  text.parse("{helo}");
  EXPECT_EQ(text.expand(hostile, "mx"), "{id}");
}

}  // namespace
}  // namespace filter_headers
