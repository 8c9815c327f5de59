// SPDX-License-Identifier: Apache-2.0
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <memory>

#include "reference.hpp"

namespace lsmtpd::mail_json::testing {
namespace {

struct Freed {
  void operator()(cJSON* json) const { cJSON_Delete(json); }
};
using Json = std::unique_ptr<cJSON, Freed>;

Json parse(const std::string& text) {
  return Json(cJSON_Parse(text.c_str()));
}

std::string text_of(const Json& json, const char* key) {
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(json.get(), key);
  return cJSON_IsString(item) ? item->valuestring : "no such string";
}

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> names;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, json.get()) names.emplace_back(item->string);
  return names;
}

const std::vector<std::string> kSix = {"timestamp",  "message_id", "client_address",
                                       "recipients", "sender",     "email_content"};

StoredMail full_mail() {
  StoredMail mail = some_mail();
  mail.recipients.push_back({"second@example.org", "NOTIFY=NEVER", 0});
  mail.mail_parameters = "BODY=8BITMIME";
  mail.peer_address = "192.0.2.1";
  mail.peer_port = 40000;
  mail.protocol = "ESMTPSA";
  mail.listener = "mx";
  mail.tls.version = "TLSv1.3";
  mail.tls.cipher = "TLS_AES_256_GCM_SHA384";
  mail.auth_user = "user";
  return mail;
}

TEST(Writer, WritesTheSixKeysInLsmtpdsMeaning) {
  TextContent content("From: a\r\n\r\nbody \"quoted\"\r\n");
  const Json json = parse(write_all(some_mail(), {false, nullptr}, content));
  ASSERT_TRUE(json);
  EXPECT_EQ(keys(json), kSix);
  EXPECT_EQ(text_of(json, "timestamp"), "2026-11-22T01:38:39.271215996+00:00");
  EXPECT_EQ(text_of(json, "message_id"), "f6f326ce-2fca-4246-96ba-aab732d44ad0");
  EXPECT_EQ(text_of(json, "client_address"), "client.example.org");
  EXPECT_EQ(text_of(json, "sender"), "s@example.org");
  EXPECT_EQ(text_of(json, "email_content"), "From: a\r\n\r\nbody \"quoted\"\r\n");
  const cJSON* recipients = cJSON_GetObjectItemCaseSensitive(json.get(), "recipients");
  ASSERT_EQ(cJSON_GetArraySize(recipients), 1);
  EXPECT_STREQ(cJSON_GetArrayItem(recipients, 0)->valuestring, "<r@example.org>");
}

TEST(Writer, ExtraKeysStandBeforeTheContent) {
  TextContent content("x");
  const Json json = parse(write_all(full_mail(), {true, nullptr}, content));
  EXPECT_EQ(keys(json).back(), "email_content");
  EXPECT_EQ(text_of(json, "peer_address"), "192.0.2.1");
  EXPECT_EQ(text_of(json, "protocol"), "ESMTPSA");
  EXPECT_EQ(text_of(json, "mail_parameters"), "BODY=8BITMIME");
  EXPECT_EQ(text_of(json, "auth_user"), "user");
  const cJSON* tls = cJSON_GetObjectItemCaseSensitive(json.get(), "tls");
  ASSERT_TRUE(cJSON_IsObject(tls));
  EXPECT_STREQ(cJSON_GetObjectItemCaseSensitive(tls, "version")->valuestring, "TLSv1.3");
  EXPECT_EQ(cJSON_GetObjectItemCaseSensitive(tls, "by"), nullptr) << "left out where it is empty";
}

TEST(Writer, TheTraceparentIsAnExtraKey) {
  TextContent content("x");
  const Json json = parse(write_all(full_mail(), {true, nullptr, "00-1-2-01"}, content));
  EXPECT_EQ(text_of(json, "traceparent"), "00-1-2-01");
  EXPECT_EQ(keys(json).back(), "email_content");
}

// sha256sum of "s@example.org\0r@example.org\0r2@example.org\0x\r\n".
TEST(Writer, TheContentIdIsTheSameForTheSameMail) {
  constexpr const char* kId = "78d66ce9b7127687ad608657b5e1bef6ef6e704b4917f878a8d9d1ba6e32f2a2";
  StoredMail mail = some_mail();
  mail.recipients.push_back({"r2@example.org", "NOTIFY=NEVER", 0});
  TextContent whole("x\r\n");
  EXPECT_EQ(text_of(parse(write_all(mail, {true, nullptr}, whole)), "content_id"), kId);
  mail.id = "00000000-0000-4000-8000-000000000002";  // as when the client sends it again
  mail.time_ns += 1;
  mail.helo = "another.example.org";
  UnevenContent uneven("x\r\n");
  EXPECT_EQ(text_of(parse(write_all(mail, {true, nullptr}, uneven)), "content_id"), kId);
  TextContent other("y\r\n");
  EXPECT_NE(text_of(parse(write_all(mail, {true, nullptr}, other)), "content_id"), kId);
  mail.recipients.pop_back();
  TextContent again("x\r\n");
  EXPECT_NE(text_of(parse(write_all(mail, {true, nullptr}, again)), "content_id"), kId);
}

TEST(Writer, WithoutExtraOnlyTheSixKeysAreLeft) {
  TextContent content("x");
  EXPECT_EQ(keys(parse(write_all(full_mail(), {false, nullptr, "00-1-2-01"}, content))), kSix);
  EXPECT_EQ(keys(parse(write_all(full_mail(), {false, nullptr}, content))), kSix);
}

TEST(Writer, ContentThatJsonCannotCarryIsThereInBase64First) {
  TextContent content(std::string_view("caf\xE9\0!", 6));
  const Json json = parse(write_all(some_mail(), {false, nullptr}, content));
  ASSERT_TRUE(json);
  auto wanted = kSix;
  wanted.insert(wanted.end() - 1, "email_content_base64");
  EXPECT_EQ(keys(json), wanted);
  EXPECT_EQ(text_of(json, "email_content_base64"), "Y2Fm6QAh");
  const std::string text = write_all(some_mail(), {false, nullptr}, content);
  EXPECT_NE(text.find("\"email_content\":\"caf\xEF\xBF\xBD\\u0000!\"}"), std::string::npos);
}

TEST(Writer, HostileEnvelopeStringsAreValidJson) {
  StoredMail mail = full_mail();
  mail.helo = "a\"b\\c\x1b[31m\xFF";
  mail.sender = std::string("nul\0byte", 8);
  mail.recipients[0].address = "\xE2\x82{}%s";
  TextContent content("x");
  const Json json = parse(write_all(mail, {true, nullptr}, content));
  ASSERT_TRUE(json);
  EXPECT_EQ(text_of(json, "client_address"), "a\"b\\c\x1b[31m\uFFFD");
  EXPECT_EQ(text_of(json, "sender"), "nul\uFFFDbyte");
}

TEST(Writer, GivesTheSameBytesWhateverThePiecesAndTheRoom) {
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(random, random() % 80);
    TextContent whole(text);
    UnevenContent uneven(text);
    const std::string wanted = write_all(some_mail(), {true, nullptr}, whole, 1 << 16);
    ASSERT_NE(wanted.find(escape_slowly(text)), std::string::npos) << "round " << round;
    ASSERT_EQ(write_all(some_mail(), {true, nullptr}, uneven, Writer::kRoom + random() % 100),
              wanted);
  }
}

TEST(Writer, SaysWhenTheContentCannotBeRead) {
  UnevenContent fails("content");
  fails.fail = true;
  EXPECT_EQ(write_all(some_mail(), {}, fails), "cannot measure");
  UnevenContent ends_early("content");
  ends_early.missing = 1;
  EXPECT_EQ(write_all(some_mail(), {}, ends_early), "cannot measure");

  UnevenContent fails_later("content");
  const StoredMail mail = some_mail();
  const EnvelopeView envelope(mail);
  Writer writer(envelope.get(), {});
  ASSERT_TRUE(writer.measure(fails_later));
  fails_later.fail = true;
  char buffer[4096];
  EXPECT_EQ(writer.produce(fails_later, buffer, sizeof(buffer)), -1);
}

}  // namespace
}  // namespace lsmtpd::mail_json::testing
