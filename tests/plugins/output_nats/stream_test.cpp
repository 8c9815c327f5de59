// SPDX-License-Identifier: Apache-2.0
// How a stream is judged, and what the server's answers to messages become.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "publish_answer.hpp"
#include "stream_check.hpp"

namespace lsmtpd::nats {
namespace {

using testing::HasSubstr;

// As nats-server 2.9.10 answers; `changes` replaces members, or adds them.
std::string info(const std::string& changes = "") {
  std::string config =
      R"("name":"MAIL","subjects":["mail.>"],"retention":"limits","max_msgs":-1,"max_bytes":-1,)"
      R"("max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"new",)"
      R"("storage":"file","num_replicas":1,"duplicate_window":120000000000,"sealed":false)";
  if (!changes.empty()) {
    const std::string key = changes.substr(0, changes.find(':'));
    const auto old = config.find(key + ":");
    if (old == std::string::npos) {
      config += "," + changes;
    } else {
      const auto end = config.find(",\"", old);
      config.replace(old, end == std::string::npos ? end : end - old, changes);
    }
  }
  return R"({"type":"io.nats.jetstream.api.v1.stream_info_response","config":{)" + config + "}}";
}

Options synced() {
  Options options;
  options.stream = "MAIL";
  options.subject = "mail.in";
  options.assume_synced = true;
  return options;
}

TEST(StreamCheck, AStreamOnFilesThatRefusesWhenItIsFullIsFit) {
  const StreamCheck check = check_stream(info(), synced());
  EXPECT_EQ(check.refusal, "");
  EXPECT_EQ(check.warning, "");
  EXPECT_EQ(check.max_message, std::nullopt);
  EXPECT_THAT(check.promises, HasSubstr("file storage, 1 replica, limits retention"));
  EXPECT_THAT(check.promises, HasSubstr("assume_synced"));
}

TEST(StreamCheck, EachWayToLoseAcknowledgedMailIsRefusedByNameThoughLossesAreAllowed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("storage":"memory")", "storage"},
      {R"("no_ack":true)", "no_ack"},
      {R"("retention":"interest")", "interest"},
      {R"("max_msgs_per_subject":5)", "max_msgs_per_subject"},
      {R"("sealed":true)", "sealed"},
      {R"("mirror":{"name":"OTHER"})", "mirror"},
      {R"("subjects":["other","mail.*.x"])", "subject mail.in is none of its subjects"},
  };
  for (const auto& [changes, why] : cases) {
    Options options = synced();
    options.allow_lossy_target = true;
    EXPECT_THAT(check_stream(info(changes), options).refusal, HasSubstr(why)) << changes;
  }
}

TEST(StreamCheck, DiscardOldIsRefusedOnlyWithALimit) {
  const std::string old = R"("discard":"old")";
  EXPECT_EQ(check_stream(info(old), synced()).refusal, "");
  for (const char* limit : {"max_msgs", "max_bytes"}) {
    std::string text = info(old);
    const std::string from = std::string("\"") + limit + "\":-1";
    text.replace(text.find(from), from.size(), std::string("\"") + limit + "\":1000");
    EXPECT_THAT(check_stream(text, synced()).refusal, HasSubstr(limit));
    EXPECT_EQ(check_stream(info(std::string("\"") + limit + "\":1000"), synced()).refusal, "");
  }
}

TEST(StreamCheck, ALimitOfASubjectIsAllowedWhereItRefuses) {
  std::string text = info(R"("max_msgs_per_subject":5)");
  text.insert(text.find("\"sealed\""), R"("discard_new_per_subject":true,)");
  EXPECT_EQ(check_stream(text, synced()).refusal, "");
}

TEST(StreamCheck, WithoutASyncItIsRefusedUnlessALossIsAllowed) {
  Options options = synced();
  options.assume_synced = false;
  EXPECT_THAT(check_stream(info(), options).refusal, HasSubstr("allow_lossy_target"));
  options.allow_lossy_target = true;
  const StreamCheck check = check_stream(info(), options);
  EXPECT_EQ(check.refusal, "");
  EXPECT_THAT(check.warning, HasSubstr("power cut"));
  EXPECT_THAT(check.promises, HasSubstr("power cut"));
}

TEST(StreamCheck, AnAgeIsAWarning) {
  const StreamCheck check = check_stream(info(R"("max_age":86400000000000)"), synced());
  EXPECT_EQ(check.refusal, "");
  EXPECT_THAT(check.warning, HasSubstr("24 hours"));
}

TEST(StreamCheck, ASubjectThatDependsOnTheMessageIsNotCompared) {
  Options options = synced();
  options.subject.clear();
  EXPECT_EQ(check_stream(info(R"("subjects":["other"])"), options).refusal, "");
}

TEST(StreamCheck, TheLargestMessageIsTold) {
  EXPECT_EQ(check_stream(info(R"("max_msg_size":4096)"), synced()).max_message, 4096U);
  EXPECT_EQ(check_stream(info(R"("max_msg_size":0)"), synced()).max_message, 0U);
}

TEST(StreamCheck, AnErrorAndAnAnswerThatIsNoneAreRefusals) {
  EXPECT_THAT(
      check_stream(
          R"({"error":{"code":404,"err_code":10059,"description":"stream not found\r\nx"}})",
          synced())
          .refusal,
      HasSubstr("stream not found??x (code 404, err_code 10059)"));
  for (const char* answer : {"", "{", "[]", "null", "{\"config\":7}", "\"x\""})
    EXPECT_THAT(check_stream(answer, synced()).refusal, HasSubstr("not understood")) << answer;
}

TEST(PublishAnswer, AnAcknowledgementIsStoredAndADuplicateToo) {
  const auto first = read_answer(R"({"stream":"MAIL","seq":7})", "MAIL");
  EXPECT_EQ(first.outcome.kind, sink::Kind::stored);
  EXPECT_EQ(first.outcome.detail, "stream MAIL, seq 7");
  EXPECT_FALSE(first.look_at_stream);
  const auto again = read_answer(R"({"stream":"MAIL","seq":7,"duplicate":true})", "MAIL");
  EXPECT_EQ(again.outcome.kind, sink::Kind::stored);
  EXPECT_THAT(again.outcome.detail, HasSubstr("already"));
}

TEST(PublishAnswer, WhateverIsNoAcknowledgementOfTheStreamIsInDoubt) {
  for (const char* body : {"", "{}", "+OK", R"({"stream":"OTHER","seq":7})", R"({"stream":"MAIL"})",
                           R"({"stream":"MAIL","seq":0})", R"({"stream":"MAIL","seq":"7"})",
                           R"({"stream":7,"seq":7})", R"({"seq":7})"}) {
    const auto answer = read_answer(body, "MAIL");
    EXPECT_EQ(answer.outcome.kind, sink::Kind::tempfail) << body;
    EXPECT_TRUE(answer.outcome.in_doubt) << body;
  }
}

std::string error(int code, int number) {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"err_code":)" +
         std::to_string(number) + R"(,"description":"text"},"stream":"MAIL","seq":0})";
}

TEST(PublishAnswer, FullIsATempfailThatSaysSo) {
  for (const int number : {10002, 10023, 10028, 10047, 10077}) {
    const auto answer = read_answer(error(503, number), "MAIL");
    EXPECT_EQ(answer.outcome.kind, sink::Kind::tempfail) << number;
    EXPECT_EQ(answer.outcome.code, 452U) << number;
    EXPECT_FALSE(answer.outcome.in_doubt);
    EXPECT_FALSE(answer.look_at_stream);
  }
}

TEST(PublishAnswer, TooLargeIsARefusal) {
  const auto answer = read_answer(error(400, 10054), "MAIL");
  EXPECT_EQ(answer.outcome.kind, sink::Kind::rejected);
  EXPECT_EQ(answer.outcome.code, 552U);
  EXPECT_STREQ(answer.outcome.enhanced, "5.3.4");
}

TEST(PublishAnswer, OtherErrorsAndNoResponderAreTempfailsThatLookAtTheStream) {
  for (const auto& answer : {read_answer(error(400, 10060), "MAIL"), no_responders()}) {
    EXPECT_EQ(answer.outcome.kind, sink::Kind::tempfail);
    EXPECT_EQ(answer.outcome.code, 451U);
    EXPECT_FALSE(answer.outcome.in_doubt);
    EXPECT_TRUE(answer.look_at_stream);
  }
}

TEST(PublishAnswer, AnAnswerThatWasLostIsInDoubt) {
  EXPECT_TRUE(lost_unanswered("gone").in_doubt);
}

}  // namespace
}  // namespace lsmtpd::nats
