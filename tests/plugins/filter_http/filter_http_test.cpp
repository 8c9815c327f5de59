// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <lsmtpd/testing.h>

#include <atomic>

#include "http_service.hpp"

namespace filter_http {
namespace {

using lsmtpd::test::http_answer;
using lsmtpd::test::HttpService;
using testing::HasSubstr;
using testing::Not;

HttpService::Handler answers(const std::string& json) {
  return [json](const std::string&) { return http_answer("200 OK", json); };
}
HttpService::Handler fails(const std::string& status) {
  return [status](const std::string&) { return http_answer(status); };
}
std::string silent(const std::string&) {
  return {};
}

class FilterHttp : public testing::Test {
 protected:
  FilterHttp() { lsmtpd_test_use(t_, &lsmtpd_entry); }
  ~FilterHttp() override {
    EXPECT_STREQ(lsmtpd_test_finish(t_), "");
    lsmtpd_test_free(t_);
  }
  void option(const char* key, const std::string& value) {
    lsmtpd_test_option(t_, key, value.c_str());
  }
  void start(const HttpService& service) {
    option("url", service.url());
    ASSERT_EQ(lsmtpd_test_start(t_), 0) << lsmtpd_test_errors(t_);
    lsmtpd_test_real_time(t_, 1);
  }
  lsmtpd_test_mail* mail(const std::string& content = "Subject: x\r\n\r\nhi\r\n",
                         const char* recipients = "b@example.org c@example.org") {
    return lsmtpd_test_mail_bytes(t_, "a@example.org", recipients, content.data(), content.size());
  }
  const lsmtpd_test_verdict* rcpt(const char* recipient) {
    return lsmtpd_test_session(t_, LSMTPD_PHASE_RCPT, 1, mail("", recipient), 0);
  }
  double decided(const char* verdict, const char* dry_run = "false") {
    const std::string name =
        std::string("filter_decisions_total verdict=") + verdict + " dry_run=" + dry_run;
    return lsmtpd_test_metric(t_, name.c_str());
  }
  std::string log() const { return lsmtpd_test_log(t_); }

  lsmtpd_test* t_ = lsmtpd_test_new();
};

TEST_F(FilterHttp, MessageIsDescribedAndItsContentStaysHere) {
  HttpService service(answers(R"({"verdict":"continue"})"));
  start(service);
  auto* one = mail();
  one->envelope.helo = lsmtpd_test_str("evil\"\r\nX: \xff");
  one->envelope.peer_address = lsmtpd_test_str("203.0.113.7");
  lsmtpd_test_mail_annotate(one, "before.score", "7");
  EXPECT_EQ(lsmtpd_test_filter(t_, one)->kind, LSMTPD_CONTINUE);
  const std::string request = service.requests().at(0);
  EXPECT_THAT(request, HasSubstr("POST /ask HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("Authorization")));
  for (const char* part :
       {R"("phase":"message","plugin":"test","hostname":"mx.example.org")",
        R"("address":"203.0.113.7")",
        R"("helo":"evil\"\r\nX: )"
        "\xef\xbf\xbd\"",
        R"("sender":"a@example.org")", R"("recipients":["b@example.org","c@example.org"])",
        R"("size":18)", R"("annotations":{"before.score":"7"})"})
    EXPECT_THAT(request, HasSubstr(part));
  EXPECT_THAT(request, Not(HasSubstr("content\"")));
}

TEST_F(FilterHttp, ContentIsSentUpToItsLimitAlsoFromAFile) {
  HttpService service(fails("204 No Content"));
  option("max_body", "12");
  start(service);
  auto* spilled = mail("Subject: x\r\n\r\nhi\r\n");
  lsmtpd_test_mail_spill(spilled);
  t_->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  EXPECT_EQ(lsmtpd_test_filter(t_, spilled)->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail("a\r\n"))->kind, LSMTPD_CONTINUE);
  EXPECT_THAT(service.requests().at(0),
              HasSubstr(R"("content":"U3ViamVjdDogeA0K","content_is_whole":false)"));
  EXPECT_THAT(service.requests().at(1), HasSubstr(R"("content":"YQ0K","content_is_whole":true)"));
  EXPECT_EQ(service.connections(), 1) << "kept alive";
}

TEST_F(FilterHttp, MessageThatCannotBeReadIsAFailure) {
  HttpService service(silent);
  option("max_body", "1KiB");
  start(service);
  auto* bad = mail();
  lsmtpd_test_mail_spill(bad);
  t_->reads_to_fail = -1;
  EXPECT_STREQ(lsmtpd_test_filter(t_, bad)->detail, "cannot read the message");
}

TEST_F(FilterHttp, VerdictsOfTheApplicationAreGiven) {
  std::atomic<int> turn{0};
  const char* const jsons[] = {
      R"({"verdict":"reject","code":550,"enhanced":"5.7.26","text":"no\nway"})",
      R"({"verdict":"reject"})", R"({"verdict":"tempfail","code":451,"text":"later"})",
      R"({"verdict":"discard"})", R"({"verdict":"accept"})"};
  HttpService service([&](const std::string&) { return http_answer("200 OK", jsons[turn++]); });
  start(service);
  const auto* verdict = lsmtpd_test_filter(t_, mail());
  EXPECT_EQ(verdict->kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict->code, 550u);
  EXPECT_STREQ(verdict->enhanced, "5.7.26");
  EXPECT_STREQ(verdict->text, "no\nway");
  EXPECT_STREQ(lsmtpd_test_filter(t_, mail())->text, "Refused by policy");
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->code, 451u);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_DISCARD);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_ACCEPT);
}

TEST_F(FilterHttp, HeaderIsEditedAndAnnotationsAreSet) {
  HttpService service(answers(R"({"verdict":"continue","annotations":{"score":"7"},"header":
      {"add":{"X-New":"1"},"change":{"subject":"y","X-Other":"2"},"remove":["X-Old"]}})"));
  start(service);
  auto* one = mail("X-Old: 1\r\nSubject: x\r\nx-old: 2\r\n folded\r\nTo: b\r\n\r\nhi\r\n");
  lsmtpd_test_mail_spill(one);
  EXPECT_EQ(lsmtpd_test_filter(t_, one)->kind, LSMTPD_CONTINUE);
  const auto* edited = lsmtpd_test_mail_edited(one);
  EXPECT_EQ(std::string(lsmtpd_test_mail_content(edited)),
            "X-New: 1\r\nX-Other: 2\r\nsubject: y\r\nTo: b\r\n\r\nhi\r\n");
  EXPECT_STREQ(lsmtpd_test_mail_annotation(edited, "test.score"), "7");
}

TEST_F(FilterHttp, PhasesAreAskedAndOthersNot) {
  HttpService service(answers(R"({"verdict":"continue","annotations":{"seen":"yes"}})"));
  for (const char* phase : {"connect", "mail", "rcpt"}) option("phases", phase);
  start(service);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_CONTINUE);
  EXPECT_TRUE(service.requests().empty());
  for (const uint32_t phase : {LSMTPD_PHASE_CONNECT, LSMTPD_PHASE_MAIL, LSMTPD_PHASE_RCPT})
    EXPECT_EQ(lsmtpd_test_session(t_, phase, 1, mail(), 1234)->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(lsmtpd_test_session(t_, LSMTPD_PHASE_HELO, 1, mail(), 0), nullptr);
  const auto requests = service.requests();
  EXPECT_THAT(requests.at(0), HasSubstr("\"phase\":\"connect\""));
  EXPECT_THAT(requests.at(0), Not(HasSubstr("sender")));
  EXPECT_THAT(requests.at(1), HasSubstr("\"declared_size\":1234"));
  EXPECT_THAT(requests.at(2), HasSubstr("\"recipient\":\"c@example.org\",\"recipients_before\":1"));
  EXPECT_STREQ(lsmtpd_test_session_annotation(t_, 1, "test.seen"), "yes");
}

TEST_F(FilterHttp, AnswersAboutRecipientsAreKept) {
  HttpService service([](const std::string& request) {
    return http_answer("200 OK", request.find("bad@") != std::string::npos
                                     ? R"({"verdict":"reject","code":550})"
                                 : request.find("slow@") != std::string::npos
                                     ? R"({"verdict":"tempfail"})"
                                     : R"({"verdict":"continue","annotations":{"user":"1"}})");
  });
  option("phases", "rcpt");
  option("cache_ok", "10m");
  option("cache_no", "1m");
  start(service);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rcpt("good@example.org")->kind, LSMTPD_CONTINUE);
    EXPECT_EQ(rcpt("bad@example.org")->code, 550u);
    EXPECT_EQ(rcpt("slow@example.org")->kind, LSMTPD_TEMPFAIL);
  }
  EXPECT_EQ(service.requests().size(), 5u) << "a tempfail is not kept";
  lsmtpd_test_advance(t_, 61'000);
  rcpt("good@example.org");
  EXPECT_EQ(service.requests().size(), 5u);
  rcpt("bad@example.org");
  EXPECT_EQ(service.requests().size(), 6u);
  EXPECT_STREQ(lsmtpd_test_session_annotation(t_, 1, "test.user"), "1");
}

TEST_F(FilterHttp, KeyOfTheCacheMayHaveSenderAndPeer) {
  HttpService service(answers(R"({"verdict":"continue"})"));
  option("phases", "rcpt");
  option("cache_ok", "10m");
  option("cache_by", "peer_sender_recipient");
  start(service);
  for (const char* peer : {"203.0.113.7", "203.0.113.8", "203.0.113.7"}) {
    auto* one = mail("", "b@example.org");
    one->envelope.peer_address = lsmtpd_test_str(peer);
    lsmtpd_test_session(t_, LSMTPD_PHASE_RCPT, 1, one, 0);
  }
  EXPECT_EQ(service.requests().size(), 2u);
}

TEST_F(FilterHttp, EverythingElseFollowsOnError) {
  struct Case {
    const char *answer, *detail;
  };
  const Case cases[] = {
      {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "HTTP 500"},
      {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
       "HTTP 302"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"verdict",
       "the answer is wrong: it is no JSON"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the answer is wrong: it is no JSON"}};
  std::atomic<size_t> turn{0};
  HttpService service([&](const std::string&) { return std::string(cases[turn++].answer); });
  option("breaker_failures", "0");
  start(service);
  for (const Case& one : cases) {
    const auto* verdict = lsmtpd_test_filter(t_, mail());
    EXPECT_EQ(verdict->kind, LSMTPD_TEMPFAIL);
    EXPECT_STREQ(verdict->detail, one.detail);
  }
  EXPECT_THAT(log(),
              HasSubstr("warn the application gives no answer that counts url=" + service.url()));
}

TEST_F(FilterHttp, FailureMayContinueOrReject) {
  HttpService service(fails("503 Busy"));
  option("on_error", "reject");
  start(service);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_REJECT);
}

TEST_F(FilterHttp, DiscardAtRcptIsAFailure) {
  HttpService service(answers(R"({"verdict":"discard"})"));
  option("phases", "rcpt");
  option("on_error", "continue");
  start(service);
  EXPECT_EQ(rcpt("b@example.org")->kind, LSMTPD_CONTINUE);
}

TEST_F(FilterHttp, EndlessAnswersAreCutOff) {
  std::atomic<int> turn{0};
  HttpService service([&](const std::string&) -> std::string {
    if (turn++ == 0)
      return "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, ' ');
    std::string many = "HTTP/1.1 100 Continue\r\n";
    while (many.size() < 50'000) many += "X-A: " + std::string(1000, 'a') + "\r\n";
    return many;
  });
  option("max_answer", "4KiB");
  option("timeout", "3s");
  start(service);
  EXPECT_STREQ(lsmtpd_test_filter(t_, mail())->detail, "the answer is larger than max_answer");
  EXPECT_STREQ(lsmtpd_test_filter(t_, mail())->detail,
               "the header of the answer is larger than 32 KiB");
}

TEST_F(FilterHttp, SilentApplicationEndsWithTheTimeout) {
  HttpService service(silent);
  option("timeout", "100ms");
  start(service);
  EXPECT_THAT(lsmtpd_test_filter(t_, mail())->detail, HasSubstr("timed out"));
}

TEST_F(FilterHttp, BreakerSparesAnApplicationThatFailsAndFindsItAgain) {
  std::atomic<bool> works{false};
  HttpService service(
      [&](const std::string&) { return http_answer(works ? "204 No Content" : "500 Oops"); });
  option("breaker_failures", "2");
  option("breaker_pause", "1s");
  start(service);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(service.requests().size(), 2u);
  EXPECT_THAT(log(),
              HasSubstr("warn the application failed too often and is not asked for a while"));
  works = true;
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_TEMPFAIL);
  lsmtpd_test_advance(t_, 1'001);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_CONTINUE);
  EXPECT_THAT(log(), HasSubstr("info the application answers again"));
}

TEST_F(FilterHttp, QuestionsBeyondTheMostAreFailures) {
  HttpService service(silent);
  option("max_questions", "1");
  start(service);
  const auto open = lsmtpd_test_ask_filter(t_, mail());
  EXPECT_STREQ(lsmtpd_test_filter(t_, mail())->detail, "too many questions are under way");
  lsmtpd_test_cancel(t_, open);
  EXPECT_NE(lsmtpd_test_answer(t_, open), nullptr);
}

TEST_F(FilterHttp, WithoutMemoryItIsAFailure) {
  HttpService service(silent);
  start(service);
  lsmtpd_test_memory_limit(t_, 0);
  EXPECT_STREQ(lsmtpd_test_filter(t_, mail())->detail, "there is no memory for the question");
}

TEST_F(FilterHttp, OpenQuestionsEndWithTheLane) {
  HttpService service(silent);
  start(service);
  const auto call = lsmtpd_test_ask_filter(t_, mail());
  lsmtpd_test_turn(t_, 10);
  lsmtpd_test_close_lane(t_);
  EXPECT_NE(lsmtpd_test_answer(t_, call), nullptr);
}

TEST_F(FilterHttp, DryRunAsksAndChangesNothing) {
  HttpService service(answers(R"({"verdict":"reject","text":"no"})"));
  option("dry_run", "true");
  option("phases", "rcpt");
  option("phases", "message");
  start(service);
  EXPECT_EQ(rcpt("b@example.org")->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_CONTINUE);
  EXPECT_THAT(log(), HasSubstr("info would refuse phase=rcpt verdict=reject text=no"));
  EXPECT_EQ(decided("reject", "true"), 2);
  EXPECT_EQ(decided("continue", "true"), 0);
}

TEST_F(FilterHttp, DecisionsAreCountedByVerdictAlsoThoseOfTheCache) {
  HttpService service(answers(R"({"verdict":"reject","text":"no"})"));
  option("phases", "rcpt");
  option("cache_no", "1m");
  start(service);
  EXPECT_EQ(decided("reject"), 0) << "from the start";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rcpt("b@example.org")->kind, LSMTPD_REJECT);
  EXPECT_EQ(service.requests().size(), 1u);
  EXPECT_EQ(decided("reject"), 3);
}

TEST_F(FilterHttp, AFailureIsCountedAsAnErrorWhateverItBecomes) {
  HttpService service(fails("500 Internal Server Error"));
  option("on_error", "continue");
  start(service);
  EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(decided("error"), 1);
  EXPECT_EQ(decided("continue"), 0);
}

size_t count(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++times;
  return times;
}

TEST_F(FilterHttp, LinesOfADryRunAreLimited) {
  HttpService service(answers(R"({"verdict":"reject","text":"no"})"));
  option("dry_run", "true");
  option("phases", "message");
  start(service);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(lsmtpd_test_filter(t_, mail())->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(count(log(), "would refuse"), 10u) << log();
}

TEST_F(FilterHttp, AnApplicationThatFailsNowAndThenIsAFewLines) {
  std::atomic<int> asked{0};
  HttpService service(
      [&](const std::string&) { return http_answer(++asked % 2 ? "500 Oops" : "204 No Content"); });
  option("phases", "message");
  start(service);
  for (int i = 0; i < 20; ++i) lsmtpd_test_filter(t_, mail());
  EXPECT_EQ(count(log(), "gives no answer that counts"), 3u) << log();
  EXPECT_EQ(count(log(), "answers again"), 3u);
}

}  // namespace
}  // namespace filter_http
