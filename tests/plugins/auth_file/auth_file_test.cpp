// SPDX-License-Identifier: Apache-2.0
// The plugin against the fake host: answers, the file that changes, the queue, and reverse-paths.
#include <crypt.h>
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace {

std::string line(const std::string& user, const char* password, unsigned long cost = 4) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  const auto data = std::make_unique<crypt_data>();
  crypt_gensalt_rn("$2b$", cost, nullptr, 0, setting, sizeof setting);
  return user + ":" + crypt_r(password, setting, data.get()) + "\n";
}

class AuthFile : public testing::Test {
 protected:
  AuthFile() {
    char name[] = "/tmp/auth_file_test.XXXXXX";
    ::close(mkstemp(name));
    file_ = name;
    lsmtpd_test_use(host_, &lsmtpd_entry);
    lsmtpd_test_option(host_, "file", name);
    mail_ = lsmtpd_test_mail_new(host_, "a@example.org", "b@example.org", "");
  }
  ~AuthFile() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
    ::unlink(file_.c_str());
  }
  // As an editor or `lsmtpd auth hash` with a rename does it.
  void write(const std::string& text) {
    const std::string fresh = file_ + ".new";
    std::ofstream(fresh) << text;
    ASSERT_EQ(::rename(fresh.c_str(), file_.c_str()), 0);
  }
  void start() { ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_); }
  const lsmtpd_test_verdict* verify(const char* user, const char* password) {
    return lsmtpd_test_verify(host_, LSMTPD_AUTH_PLAIN, user, password, mail_);
  }
  std::string log() { return lsmtpd_test_log(host_); }

  lsmtpd_test* host_ = lsmtpd_test_new();
  lsmtpd_test_mail* mail_ = nullptr;
  std::string file_;
};

TEST_F(AuthFile, AFileThatIsMissingOrWrongIsFoundByACheck) {
  write("user:plain\n");
  EXPECT_NE(lsmtpd_test_validate_options(host_), 0);
  EXPECT_NE(std::string(lsmtpd_test_errors(host_)).find("file: " + file_ + ":1: "),
            std::string::npos)
      << lsmtpd_test_errors(host_);
}

TEST_F(AuthFile, AFileThatOthersCanReadIsAWarning) {
  write(line("user", "secret"));
  ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
  EXPECT_EQ(lsmtpd_test_validate_options(host_), 0);
  EXPECT_NE(std::string(lsmtpd_test_warnings(host_)).find("can be read by every user"),
            std::string::npos);
  ASSERT_EQ(::chmod(file_.c_str(), 0600), 0);
}

TEST_F(AuthFile, TellsRightFromWrongAndUnknownCredentials) {
  write(line("user", "secret"));
  start();
  EXPECT_EQ(verify("user", "secret")->kind, LSMTPD_ACCEPT);
  const auto* wrong = verify("user", "Secret");
  EXPECT_EQ(wrong->kind, LSMTPD_REJECT);
  EXPECT_EQ(wrong->flags, 0u);
  const auto* unknown = verify("nobody", "secret");
  EXPECT_EQ(unknown->kind, LSMTPD_REJECT);
  EXPECT_EQ(unknown->flags, LSMTPD_UNKNOWN_USER);
  EXPECT_EQ(log().find("secret"), std::string::npos);
}

TEST_F(AuthFile, AMistakeInTheFileIsAnErrorAtTheStart) {
  write("user:secret\n");
  EXPECT_NE(lsmtpd_test_start(host_), 0);
  const std::string errors = lsmtpd_test_errors(host_);
  EXPECT_NE(errors.find(":1: the hash is not bcrypt"), std::string::npos) << errors;
  EXPECT_EQ(errors.find("secret"), std::string::npos);
}

TEST_F(AuthFile, TheFileIsReadAgainWhenItChanges) {
  write(line("user", "old"));
  start();
  EXPECT_EQ(verify("user", "old")->kind, LSMTPD_ACCEPT);
  write(line("user", "new"));
  lsmtpd_test_advance(host_, 2000);
  EXPECT_EQ(verify("user", "old")->kind, LSMTPD_REJECT) << "no success of before counts";
  EXPECT_EQ(verify("user", "new")->kind, LSMTPD_ACCEPT);
}

TEST_F(AuthFile, AFileThatBecameWrongLeavesTheUsersAsTheyWere) {
  write(line("user", "old"));
  start();
  write("user:plain\n");
  lsmtpd_test_advance(host_, 2000);
  EXPECT_EQ(verify("user", "old")->kind, LSMTPD_ACCEPT);
  EXPECT_NE(log().find("the users were not read again"), std::string::npos);
  EXPECT_EQ(log().find("plain"), std::string::npos);
  ::unlink(file_.c_str());
  lsmtpd_test_advance(host_, 2000);
  EXPECT_EQ(verify("user", "wrong")->kind, LSMTPD_REJECT);
  EXPECT_EQ(verify("user", "old")->kind, LSMTPD_ACCEPT);
}

TEST_F(AuthFile, MoreThanTheQueueHoldsGetsTempfail) {
  lsmtpd_test_memory_limit(host_, 1 << 20);  // one hash at a time
  write(line("user", "secret"));
  start();
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 50; ++i) {
    calls.push_back(lsmtpd_test_ask_verify(host_, LSMTPD_AUTH_PLAIN, "user",
                                           ("wrong" + std::to_string(i)).c_str(), mail_));
  }
  size_t put_off = 0, refused = 0;
  for (const lsmtpd_call call : calls) {
    const uint32_t kind = lsmtpd_test_wait(host_, call)->kind;
    put_off += kind == LSMTPD_TEMPFAIL;
    refused += kind == LSMTPD_REJECT;
  }
  EXPECT_EQ(refused, 33u) << "one at work, and 32 behind it";
  EXPECT_EQ(put_off, 17u);
}

TEST_F(AuthFile, ACertificateLogsItsUserIn) {
  const std::string fingerprint(64, 'a');
  write("device:{cert-sha256}" + fingerprint + "\n");
  start();
  const auto external = [&] {
    return lsmtpd_test_verify(host_, LSMTPD_AUTH_EXTERNAL, "", "", mail_);
  };
  EXPECT_EQ(external()->kind, LSMTPD_REJECT) << "no TLS";
  mail_->tls.size = sizeof mail_->tls;
  mail_->tls.client_sha256 = lsmtpd_test_str(fingerprint.c_str());
  mail_->envelope.tls = &mail_->tls;
  EXPECT_EQ(external()->kind, LSMTPD_REJECT) << "not verified";
  mail_->tls.client_verified = 1;
  const auto* verdict = external();
  EXPECT_EQ(verdict->kind, LSMTPD_ACCEPT);
  EXPECT_STREQ(verdict->detail, "device");
}

class AuthFileSenders : public AuthFile {
 protected:
  AuthFileSenders() {
    lsmtpd_test_option(host_, "reverse_path", "user");
    write(line("a@example.org", "secret"));
    mail_->auth.size = sizeof mail_->auth;
    mail_->envelope.auth = &mail_->auth;
  }
  uint32_t mail_from(const char* user, const char* sender) {
    mail_->auth.user = lsmtpd_test_str(user);
    mail_->envelope.reverse_path = lsmtpd_test_str(sender);
    return lsmtpd_test_session(host_, LSMTPD_PHASE_MAIL, 1, mail_, 0)->kind;
  }
};

TEST_F(AuthFileSenders, TheReversePathIsTheUsersName) {
  start();
  EXPECT_EQ(mail_from("a@example.org", "a@example.org"), LSMTPD_CONTINUE);
  EXPECT_EQ(mail_from("a@example.org", "A@EXAMPLE.org"), LSMTPD_CONTINUE);
  EXPECT_EQ(mail_from("a@example.org", ""), LSMTPD_CONTINUE);
  EXPECT_EQ(mail_from("a@example.org", "b@example.org"), LSMTPD_REJECT);
  mail_->envelope.auth = nullptr;
  EXPECT_EQ(lsmtpd_test_session(host_, LSMTPD_PHASE_MAIL, 1, mail_, 0)->kind, LSMTPD_CONTINUE);
}

TEST_F(AuthFile, ReversePathsAreFreeByDefault) {
  write(line("user", "secret"));
  start();
  EXPECT_EQ(lsmtpd_test_session(host_, LSMTPD_PHASE_MAIL, 1, mail_, 0), nullptr);
}

}  // namespace
