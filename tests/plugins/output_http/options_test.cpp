// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig_http.hpp"

namespace lsmtpd::output_http::test {
namespace {

using testing::HasSubstr;

class HttpOptions : public testing::Test {
 protected:
  HttpOptions() { lsmtpd_test_use(t_, &lsmtpd_entry); }
  ~HttpOptions() override {
    EXPECT_STREQ(lsmtpd_test_finish(t_), "");
    lsmtpd_test_free(t_);
  }
  void option(const char* key, const std::string& value) {
    lsmtpd_test_option(t_, key, value.c_str());
  }
  std::string checked() {
    lsmtpd_test_validate_options(t_);
    return lsmtpd_test_errors(t_);
  }
  std::string of_url(const std::string& url) {
    option("url", url);
    return checked();
  }
  lsmtpd_test* t_ = lsmtpd_test_new();
};

TEST_F(HttpOptions, UrlMayHavePlaceholdersInPathAndQuery) {
  EXPECT_EQ(of_url("https://example.org/{rcpt_domain}/x?to={rcpt}&b={{}}"), "");
}
TEST_F(HttpOptions, UrlHasNoPlaceholderInItsHost) {
  EXPECT_THAT(of_url("https://{rcpt_domain}/x"),
              HasSubstr("url: has a placeholder before its path"));
}
TEST_F(HttpOptions, UrlHasNoPlaceholderInItsScheme) {
  EXPECT_THAT(of_url("{protocol}://example.org/x"), HasSubstr("url: has a placeholder"));
}
TEST_F(HttpOptions, UrlIsOfHttp) {
  EXPECT_THAT(of_url("ftp://example.org/"), HasSubstr("url: begins with http:// or https://"));
}
TEST_F(HttpOptions, UrlHasNoUser) {
  const std::string said = of_url("https://joe:secret@example.org/");
  EXPECT_THAT(said, HasSubstr("url: has a user in it"));
  EXPECT_THAT(said, testing::Not(HasSubstr("secret")));
}
TEST_F(HttpOptions, UrlHasNoFragment) {
  EXPECT_THAT(of_url("https://example.org/a#b"), HasSubstr("url: has a fragment"));
}
TEST_F(HttpOptions, UrlHasNoDotSegments) {
  EXPECT_THAT(of_url("https://example.org/a/../{rcpt}"), HasSubstr("url: has a \".\" or \"..\""));
}
TEST_F(HttpOptions, UrlPlaceholderIsKnown) {
  EXPECT_THAT(of_url("https://example.org/{rcpts}"), HasSubstr("{rcpts} is not known"));
}
TEST_F(HttpOptions, StatusesAreNumbersFrom400) {
  option("url", "https://example.org/");
  option("reject_status", "302");
  option("reject_status", "4xx");
  option("reject_status", "404");
  const std::string said = checked();
  EXPECT_THAT(said, HasSubstr("\"302\" is no status"));
  EXPECT_THAT(said, HasSubstr("\"4xx\" is no status"));
  EXPECT_THAT(lsmtpd_test_warnings(t_), HasSubstr("404 also comes from"));
}
TEST_F(HttpOptions, ProxyIsAUrl) {
  option("url", "https://example.org/");
  option("proxy", "proxy.example.org");
  EXPECT_THAT(checked(), HasSubstr("proxy: is no URL"));
}
TEST_F(HttpOptions, HeadersAreCheckedNames) {
  option("url", "https://example.org/");
  option("headers", "Content-Length=1");
  option("headers", "x y=1");
  option("headers", "x-a=caf\xc3\xa9");
  const std::string said = checked();
  EXPECT_THAT(said, HasSubstr("\"Content-Length\" is set by lsmtpd"));
  EXPECT_THAT(said, HasSubstr("\"x y\" is no name of a field"));
  EXPECT_THAT(said, HasSubstr("\"x-a\" has a value that is not printable ASCII"));
}
TEST_F(HttpOptions, CertificateAndKeyGoTogether) {
  option("url", "https://example.org/");
  option("tls_certificate", "/nonexistent");
  EXPECT_THAT(checked(), HasSubstr("tls_key: missing"));
}

}  // namespace
}  // namespace lsmtpd::output_http::test
