// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <lsmtpd/testing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace filter_http {
namespace {

using testing::HasSubstr;

class HttpSettings : public testing::Test {
 protected:
  HttpSettings() { lsmtpd_test_use(t_, &lsmtpd_entry); }
  ~HttpSettings() override {
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
  lsmtpd_test* t_ = lsmtpd_test_new();
};

TEST_F(HttpSettings, UrlHasToBeOneOfHttp) {
  option("url", "ftp://example.org/");
  EXPECT_THAT(checked(), HasSubstr("url: begins with http:// or https://"));
}

TEST_F(HttpSettings, UrlWithoutASchemeIsNone) {
  option("url", "example.org");
  EXPECT_THAT(checked(), HasSubstr("url: is no URL"));
}

TEST_F(HttpSettings, PasswordInTheUrlIsRefused) {
  option("url", "https://joe:secret@example.org/");
  const std::string said = checked();
  EXPECT_THAT(said, HasSubstr("url: has a user in it"));
  EXPECT_THAT(said, testing::Not(HasSubstr("secret")));
}

TEST_F(HttpSettings, PhasesAreOfFour) {
  option("url", "https://example.org/");
  option("phases", "rcpt");
  option("phases", "data");
  option("client_key", "/nonexistent");
  option("max_body", "1KiB");
  const std::string said = checked();
  EXPECT_THAT(said, HasSubstr("phases: \"data\" is none of"));
  EXPECT_THAT(said, HasSubstr("client_certificate: a client certificate needs both"));
  EXPECT_THAT(lsmtpd_test_warnings(t_), HasSubstr("max_body: has no effect"));
}

TEST_F(HttpSettings, FilesThatCannotBeReadAreFoundByACheck) {
  option("url", "https://example.org/");
  option("token_file", "/nonexistent/token");
  option("ca_file", "/nonexistent/ca");
  const std::string said = checked();
  EXPECT_THAT(said, HasSubstr("token_file: cannot read /nonexistent/token"));
  EXPECT_THAT(said, HasSubstr("ca_file: cannot read /nonexistent/ca"));
  EXPECT_NE(lsmtpd_test_start(t_), 0);
}

TEST_F(HttpSettings, ATokenThatOthersCanReadOnDiskOrOnTheWayIsAWarning) {
  const std::string file = testing::TempDir() + "public_" + std::to_string(::getpid());
  std::ofstream(file) << "token\n";
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  option("url", "http://app.example.org/");
  option("token_file", file);
  EXPECT_EQ(checked(), "");
  EXPECT_THAT(lsmtpd_test_warnings(t_), HasSubstr("url: the token crosses the network"));
  EXPECT_THAT(lsmtpd_test_warnings(t_), HasSubstr("can be read by every user"));
  ::unlink(file.c_str());
}

TEST_F(HttpSettings, ATokenOnThisMachineIsNoWarning) {
  const std::string file = testing::TempDir() + "private_" + std::to_string(::getpid());
  std::ofstream(file) << "token\n";
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  option("url", "http://127.0.0.1:8080/");
  option("token_file", file);
  EXPECT_EQ(checked(), "");
  EXPECT_STREQ(lsmtpd_test_warnings(t_), "");
  ::unlink(file.c_str());
}

TEST_F(HttpSettings, TokenThatCouldBeginAHeaderIsRefused) {
  const std::string file = testing::TempDir() + "token_" + std::to_string(::getpid());
  std::ofstream(file) << "a b\n";
  option("url", "https://example.org/");
  option("token_file", file);
  EXPECT_NE(lsmtpd_test_start(t_), 0);
  EXPECT_THAT(lsmtpd_test_errors(t_), HasSubstr("token_file: its first line is no token"));
  ::unlink(file.c_str());
}

}  // namespace
}  // namespace filter_http
