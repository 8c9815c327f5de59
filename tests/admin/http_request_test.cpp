// SPDX-License-Identifier: Apache-2.0
#include "admin/http_request.hpp"

#include <gtest/gtest.h>

#include "admin/server.hpp"

namespace lsmtpd::admin {
namespace {

using Read = RequestReader::Read;

TEST(RequestReader, ReadsARequestOctetByOctet) {
  RequestReader reader;
  const std::string text =
      "GET /readyz?chain=a%2Fb&scope=process HTTP/1.1\r\nHost: x:1\r\nAuthorization: Bearer "
      "t\r\n\r\n";
  for (size_t i = 0; i + 1 < text.size(); ++i)
    ASSERT_EQ(reader.put({&text[i], 1}), Read::more) << i;
  ASSERT_EQ(reader.put("\n"), Read::done);
  const Request request = reader.take();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/readyz");
  EXPECT_EQ(request.query.at("chain"), "a/b");
  EXPECT_EQ(request.query.at("scope"), "process");
  EXPECT_EQ(request.host, "x:1");
  EXPECT_EQ(request.authorization, "Bearer t");
}

TEST(RequestReader, ReadsABodyByItsLength) {
  RequestReader reader;
  ASSERT_EQ(reader.put("POST /ctl HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel"),
            Read::more);
  ASSERT_EQ(reader.put("lo"), Read::done);
  EXPECT_EQ(reader.take().body, "hello");
}

TEST(RequestReader, LimitsHeadAndBody) {
  RequestReader head;
  std::string text = "GET / HTTP/1.1\r\n";
  Read read = head.put(text);
  for (int i = 0; i < 1000 && read == Read::more; ++i)
    read = head.put("X: yyyyyyyyyyyyyyyyyyyyyy\r\n");
  EXPECT_EQ(read, Read::too_large);
  RequestReader line;
  EXPECT_EQ(line.put("GET /" + std::string(20'000, 'a')), Read::too_large);
  RequestReader body;
  EXPECT_EQ(body.put("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"),
            Read::too_large);
}

TEST(RequestReader, RefusesOtherProtocols) {
  for (const char* text :
       {"EHLO x\r\n\r\n", "\x16\x03\x01\r\n\r\n", "GET / HTTP/1.1\r\nbad line\r\n\r\n"}) {
    RequestReader reader;
    EXPECT_EQ(reader.put(text), Read::bad) << text;
  }
}

TEST(PercentDecoded, LeavesWhatIsNoEscape) {
  EXPECT_EQ(percent_decoded("a%20b+c"), "a b c");
  EXPECT_EQ(percent_decoded("100%"), "100%");
  EXPECT_EQ(percent_decoded("%zz%4"), "%zz%4");
}

TEST(HostIsOurs, TakesAddressesAndNamesThatAreListed) {
  for (const char* host : {"127.0.0.1:9925", "[::1]:80", "localhost", "LOCALHOST:1", "10.0.0.1",
                           "mx.example.com:9925"})
    EXPECT_TRUE(host_is_ours(host, {"MX.example.com"})) << host;
  for (const char* host : {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil", "[x]"})
    EXPECT_FALSE(host_is_ours(host, {"mx.example.com"})) << host;
}

}  // namespace
}  // namespace lsmtpd::admin
