// SPDX-License-Identifier: Apache-2.0
// claim_check with the whole plugin, against a scripted broker: what is stored, what is published,
// and when the stored body goes again.
#include <cjson/cJSON.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "rig091.hpp"

namespace lsmtpd::amqp091::test {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

Script answering(Answer answer) {
  Script script;
  script.answer = [answer](std::size_t) { return answer; };
  return script;
}

class ClaimTest : public testing::Test {
 protected:
  ClaimTest()
      : folder_(fs::temp_directory_path() /
                ("claim-test-" + std::to_string(::getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
    rig_.option("claim_check[0].directory", folder_.string());
    rig_.option("claim_check[0].above", "4KiB");
  }
  ~ClaimTest() override {
    rig_.finish();
    fs::remove_all(folder_);
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    return found;
  }
  static std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  lsmtpd_test_mail* large() { return rig_.mail(large_); }
  static Fields headers(const Published& message) { return read_headers(Reader(message.header)); }

  const fs::path folder_;
  const std::string large_ = "Subject: x\r\n\r\n" + std::string(10'000, 'y') + "\r\n";
  Rig rig_;
};

TEST_F(ClaimTest, ALargeBodyIsStoredAndItsReferencePublished) {
  ScriptedBroker broker({});
  rig_.option("format", "rfc822");
  rig_.open(broker, "mail");
  EXPECT_EQ(rig_.deliver(large()).kind, LSMTPD_STORED);
  ASSERT_EQ(files().size(), 1U);
  EXPECT_EQ(content(files()[0]), large_);
  const Published message = broker.published()[0];
  EXPECT_EQ(headers(message).at("claim_check"), files()[0].string());
  EXPECT_EQ(headers(message).at("smtp_mail_from"), "a@example.org");
  EXPECT_THAT(message.header, HasSubstr("application/vnd.lsmtpd.claim+json"));
  cJSON* json = cJSON_Parse(message.body.c_str());
  ASSERT_NE(json, nullptr) << message.body;
  const cJSON* claim = cJSON_GetObjectItem(json, "claim_check");
  EXPECT_EQ(cJSON_GetObjectItem(claim, "location")->valuestring, files()[0].string());
  EXPECT_EQ(cJSON_GetObjectItem(claim, "size")->valuedouble, static_cast<double>(large_.size()));
  EXPECT_STREQ(cJSON_GetObjectItem(claim, "content_type")->valuestring, "message/rfc822");
  EXPECT_EQ(std::string(cJSON_GetObjectItem(claim, "sha256")->valuestring).size(), 64U);
  EXPECT_EQ(cJSON_GetObjectItem(json, "copy_id")->valuestring, headers(message).at("copy_id"));
  EXPECT_EQ(files()[0].filename(), headers(message).at("copy_id"));
  cJSON_Delete(json);
}

TEST_F(ClaimTest, TheBodyOfJsonIsTheJsonThatWouldHaveBeenPublished) {
  ScriptedBroker broker({});
  rig_.open(broker, "mail");
  EXPECT_EQ(rig_.deliver(large()).kind, LSMTPD_STORED);
  ASSERT_EQ(files().size(), 1U);
  cJSON* json = cJSON_Parse(content(files()[0]).c_str());
  ASSERT_NE(json, nullptr);
  EXPECT_EQ(cJSON_GetObjectItem(json, "email_content")->valuestring, large_);
  EXPECT_STREQ(cJSON_GetObjectItem(json, "sender")->valuestring, "a@example.org");
  cJSON_Delete(json);
}

TEST_F(ClaimTest, ASmallBodyIsPublishedWhole) {
  ScriptedBroker broker({});
  rig_.open(broker, "mail");
  EXPECT_EQ(rig_.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(broker.published()[0].body, HasSubstr("email_content"));
  EXPECT_EQ(headers(broker.published()[0]).count("claim_check"), 0U);
  EXPECT_TRUE(files().empty());
}

// What counts is the body as published: JSON has four octets for each line end.
TEST_F(ClaimTest, TheLimitIsOfTheBodyNotOfTheContent) {
  ScriptedBroker broker({});
  rig_.open(broker, "mail");
  std::string lines;
  while (lines.size() < 3000) lines += "\r\n";
  EXPECT_EQ(rig_.deliver(rig_.mail(lines)).kind, LSMTPD_STORED);
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(ClaimTest, ItIsStoredBeforeItIsPublished) {
  ScriptedBroker broker(answering(Answer::hold));
  rig_.open(broker, "mail");
  const lsmtpd_call call = rig_.send(large());
  ASSERT_TRUE(rig_.until([&] { return broker.published().size() == 1; }));
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(rig_.answer(call), nullptr);
  broker.confirm(1, false);
  EXPECT_EQ(rig_.wait(call).kind, LSMTPD_STORED);
}

TEST_F(ClaimTest, ARefusalDeletesIt) {
  ScriptedBroker broker(answering(Answer::give_back));
  rig_.option("unroutable", "reject");
  rig_.open(broker, "mail");
  EXPECT_EQ(rig_.deliver(large()).kind, LSMTPD_REJECT);
  EXPECT_TRUE(rig_.until([&] { return files().empty(); }));
}

TEST_F(ClaimTest, ARefusalOfACopyInDoubtKeepsIt) {
  ScriptedBroker broker(answering(Answer::give_back));
  rig_.option("unroutable", "reject");
  rig_.open(broker, "mail");
  const lsmtpd_call doubtful =
      rig_.send(large(), LSMTPD_DELIVERY_REPLAY | LSMTPD_DELIVERY_IN_DOUBT);
  EXPECT_EQ(rig_.wait(doubtful).kind, LSMTPD_REJECT);
  // The next refusal is deleted by the same thread, or a later one.
  EXPECT_EQ(rig_.deliver(large()).kind, LSMTPD_REJECT);
  EXPECT_TRUE(rig_.until([&] { return files().size() == 1; }));
}

TEST_F(ClaimTest, ATempfailKeepsItForTheResendWhichReplacesIt) {
  Script script;
  script.answer = [](std::size_t number) { return number == 0 ? Answer::nack : Answer::ack; };
  ScriptedBroker broker(script);
  rig_.open(broker, "mail");
  lsmtpd_test_mail* mail = large();
  EXPECT_EQ(rig_.deliver(mail).kind, LSMTPD_TEMPFAIL);
  ASSERT_EQ(files().size(), 1U);
  const std::string before = content(files()[0]);
  EXPECT_EQ(rig_.deliver(mail).kind, LSMTPD_STORED);
  ASSERT_EQ(files().size(), 1U);
  EXPECT_EQ(content(files()[0]), before);
  EXPECT_EQ(broker.published()[0].body, broker.published()[1].body);
}

TEST_F(ClaimTest, EachCopyHasABodyOfItsOwn) {
  ScriptedBroker broker({});
  rig_.option("split", "recipient");
  rig_.open(broker, "mail");
  lsmtpd_test_mail* mail = rig_.mail(large_, "a@example.org b@example.org c@example.org");
  EXPECT_EQ(rig_.deliver(mail).kind, LSMTPD_STORED);
  EXPECT_EQ(files().size(), 3U);
  EXPECT_EQ(broker.published().size(), 3U);
}

TEST_F(ClaimTest, AStoreThatFailsIsATempfailAndSmallMailPasses) {
  ScriptedBroker broker({});
  rig_.open(broker, "mail");
  fs::remove_all(folder_);
  const lsmtpd_test_verdict& verdict = rig_.deliver(large());
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.code, 451U);
  EXPECT_THAT(verdict.detail, HasSubstr("No such file or directory"));
  EXPECT_TRUE(broker.published().empty());
  EXPECT_EQ(rig_.deliver().kind, LSMTPD_STORED);
  fs::create_directories(folder_);
  EXPECT_EQ(rig_.deliver(large()).kind, LSMTPD_STORED);
  EXPECT_THAT(rig_.log(), HasSubstr("the store of claim_check takes no bodies"));
  EXPECT_THAT(rig_.log(), HasSubstr("the store of claim_check takes bodies again"));
}

TEST_F(ClaimTest, TheBrokersLimitIsNoLongerAnnounced) {
  ScriptedBroker broker({});
  rig_.option("max_message", "5KiB").option("format", "rfc822");
  rig_.open(broker, "mail");
  EXPECT_EQ(rig_.admission().max_message_size, 0U);
  EXPECT_EQ(rig_.deliver(rig_.mail(std::string(100'000, 'x'))).kind, LSMTPD_STORED);
}

TEST_F(ClaimTest, ALaneThatClosesWhileItStoresAnswersItsCalls) {
  ScriptedBroker broker({});
  rig_.open(broker, "mail");
  const lsmtpd_call call = rig_.send(large());
  rig_.close();
  EXPECT_EQ(rig_.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(rig_.until([&] { return rig_.raw()->lane->closed != 0; }));
  EXPECT_EQ(rig_.finish(), "");
}

TEST(ClaimOptions, ADirectoryThatIsNotThereIsAnError) {
  Rig rig;
  rig.option("urls", "amqp://127.0.0.1:1").option("routing_key", "mail");
  rig.option("claim_check[0].directory", "/nowhere/claims");
  EXPECT_NE(rig.start(), 0);
  EXPECT_THAT(rig.errors(), HasSubstr("claim_check[0].directory: cannot write to /nowhere/claims"));
}

TEST(ClaimOptions, AStoreIsNeeded) {
  Rig rig;
  rig.option("urls", "amqp://127.0.0.1:1").option("routing_key", "mail");
  rig.option("claim_check[0].above", "1MiB");
  EXPECT_NE(rig.start(), 0);
  EXPECT_THAT(rig.errors(), HasSubstr("claim_check[0]: has neither `directory` nor `s3`"));
}

}  // namespace
}  // namespace lsmtpd::amqp091::test
