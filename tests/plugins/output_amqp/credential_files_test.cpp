// SPDX-License-Identifier: Apache-2.0
// The files that options name are looked at when the options are, not at the start only.
#include <gmock/gmock.h>
#include <lsmtpd/testing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

extern "C" const lsmtpd_entry_1 lsmtpd_entry;

namespace lsmtpd::amqp {
namespace {

using testing::HasSubstr;

class CredentialFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "lsmtpd-amqp-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    host_ = lsmtpd_test_new();
    lsmtpd_test_use(host_, &lsmtpd_entry);
    option("urls", "amqps://broker.example");
    option("address", "mail");
    option("username", "u");
  }
  void TearDown() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
    std::filesystem::remove_all(folder_);
  }

  void option(const char* key, const std::string& value) {
    lsmtpd_test_option(host_, key, value.c_str());
  }
  std::string file(const char* name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string errors() {
    lsmtpd_test_validate_options(host_);
    return lsmtpd_test_errors(host_);
  }
  std::string warnings() {
    EXPECT_EQ(errors(), "");
    return lsmtpd_test_warnings(host_);
  }

  std::filesystem::path folder_;
  lsmtpd_test* host_ = nullptr;
};

const std::string kPem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const std::string kPemKey = "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n";

TEST_F(CredentialFiles, ValidFilesGiveNoWarning) {
  option("password_file", file("password", "secret\n"));
  option("tls_ca", file("ca.pem", kPem, 0644));
  option("tls_certificate", file("cert.pem", kPem, 0644));
  option("tls_key", file("key.pem", kPemKey));
  EXPECT_EQ(warnings(), "");
}

TEST_F(CredentialFiles, AFolderOfAuthoritiesIsFine) {
  option("tls_ca", folder_);
  EXPECT_EQ(warnings(), "");
}

TEST_F(CredentialFiles, MissingFilesAreErrorsOfTheirOptions) {
  for (const char* key : {"password_file", "tls_ca", "tls_certificate", "tls_key"})
    option(key, folder_ / key);
  const std::string said = errors();
  for (const char* key : {"password_file", "tls_ca", "tls_certificate", "tls_key"}) {
    EXPECT_THAT(said, HasSubstr(std::string(key) + ": cannot read " + (folder_ / key).string() +
                                ": No such file or directory"));
  }
}

TEST_F(CredentialFiles, FolderInsteadOfAPasswordFileIsAnError) {
  option("password_file", folder_);
  EXPECT_THAT(errors(), HasSubstr("password_file: cannot read " + folder_.string() + ": Is a dir"));
}

TEST_F(CredentialFiles, UnreadableFileIsAnError) {
  option("password_file", file("password", "secret\n", 0));
  if (::geteuid() == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "root reads everything";
  ::chmod(folder_.c_str(), 0755);
  const std::string said = errors();
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_THAT(said, HasSubstr("Permission denied"));
}

TEST_F(CredentialFiles, FilesWithOtherContentAreErrors) {
  option("tls_ca", file("ca.pem", "no certificate"));
  option("tls_certificate", file("cert.pem", kPemKey));
  option("tls_key", file("key.pem", kPem));
  const std::string said = errors();
  EXPECT_THAT(said, HasSubstr("ca.pem holds no certificate in PEM"));
  EXPECT_THAT(said, HasSubstr("cert.pem holds no certificate in PEM"));
  EXPECT_THAT(said, HasSubstr("key.pem holds no private key in PEM"));
}

TEST_F(CredentialFiles, SecretsThatEveryoneCanReadAreWarnings) {
  option("password_file", file("password", "secret\n", 0644));
  option("tls_certificate", file("cert.pem", kPem, 0644));
  option("tls_key", file("key.pem", kPemKey, 0604));
  const std::string said = warnings();
  EXPECT_THAT(said, HasSubstr("password_file: " + (folder_ / "password").string() +
                              " can be read by every user of this machine: chmod 600"));
  EXPECT_THAT(said, HasSubstr("tls_key: "));
  EXPECT_THAT(said, testing::Not(HasSubstr("tls_certificate: ")));
}

}  // namespace
}  // namespace lsmtpd::amqp
