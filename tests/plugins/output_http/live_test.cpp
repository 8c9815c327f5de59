// SPDX-License-Identifier: Apache-2.0
// The whole plugin against a scripted server: requests and answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "rig_http.hpp"

namespace lsmtpd::output_http::test {
namespace {

using testing::HasSubstr;

using testing::StartsWith;

std::string text(const lsmtpd_test_verdict& verdict) {
  return verdict.text;
}

TEST(Post, HasTheMailItsEnvelopeAndItsKey) {
  HttpService server(always("201 Created"));
  Rig rig;
  rig.option("format", "raw").option("headers", "x-tenant=blue");
  rig.open(server);
  lsmtpd_test_mail* mail = rig.mail("Subject: x\r\n\r\nhello\r\n", "b@example.org c%d@example.org");
  lsmtpd_test_mail_annotate(mail, "filter.score", "7\r\nX: y");
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_STORED);
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, StartsWith("POST /ask HTTP/1.1\r\n"));
  EXPECT_EQ(body_of(request), "Subject: x\r\n\r\nhello\r\n");
  EXPECT_EQ(field_of(request, "Content-Type"), "message/rfc822");
  EXPECT_EQ(field_of(request, "smtp-mail-from"), "a@example.org");
  EXPECT_EQ(field_of(request, "smtp-rcpt-to"), "b@example.org,c%25d@example.org");
  EXPECT_EQ(field_of(request, "smtp-rcpt-count"), "2");
  EXPECT_EQ(field_of(request, "annotation-filter-score"), "7%0D%0AX: y");
  EXPECT_EQ(field_of(request, "x-tenant"), "blue");
  EXPECT_EQ(field_of(request, "webhook-signature"), "(none)");
  EXPECT_EQ(field_of(request, "Expect"), "(none)");
  EXPECT_THAT(field_of(request, "Idempotency-Key"), HasSubstr(field_of(request, "lsmtpd-id")));
}

TEST(Post, IsJsonByDefault) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  const std::string request = server.requests().at(0);
  EXPECT_EQ(field_of(request, "Content-Type"), "application/json");
  EXPECT_THAT(body_of(request), HasSubstr(R"("email_content":"Subject: x\r\n\r\nhello\r\n")"));
}

TEST(Post, ASecondOneTakesTheKeptConnection) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.open(server);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Post, OfALargeMessageFromAFileIsStreamed) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.option("format", "raw");
  rig.open(server);
  lsmtpd_test_mail* mail = rig.mail(large_mail());
  lsmtpd_test_mail_spill(mail);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_STORED);
  EXPECT_TRUE(body_of(server.requests().at(0)) == large_mail());
}

TEST(Post, OfAContentThatCannotBeReadIsNeitherInDoubtNorTheServersFault) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.open(server);
  lsmtpd_test_mail* mail = rig.mail(large_mail());
  lsmtpd_test_mail_spill(mail);
  rig.raw()->reads_to_fail = 1;
  const lsmtpd_test_verdict& verdict = rig.deliver(mail);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(Rig::in_doubt(verdict));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Post, GoesByPathForEachRecipientWithTheOtherOnesLeftOut) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.option("format", "raw");
  rig.open(server, "/{rcpt_domain}?to={rcpt_local}");
  EXPECT_EQ(rig.deliver(rig.mail("\r\nx\r\n", "b/c@example.org d@example.net")).kind,
            LSMTPD_STORED);
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 2; }));
  auto requests = server.requests();
  std::sort(requests.rbegin(), requests.rend());  // on two connections either may come first
  EXPECT_THAT(requests[0], StartsWith("POST /ask/example.org?to=b%2Fc HTTP/1.1\r\n"));
  EXPECT_THAT(requests[1], StartsWith("POST /ask/example.net?to=d HTTP/1.1\r\n"));
  EXPECT_EQ(field_of(requests[1], "smtp-rcpt-to"), "d@example.net");
  EXPECT_NE(field_of(requests[0], "Idempotency-Key"), field_of(requests[1], "Idempotency-Key"));
}

TEST(Post, NeverLeavesTheFolderThatTheTemplateGives) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.open(server, "/{rcpt_local}");
  const lsmtpd_test_verdict& verdict =
      rig.deliver(rig.mail("\r\nx\r\n", "\"/../../x\"@example.org"));
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 550U);
  EXPECT_TRUE(server.requests().empty());
}

TEST(Post, UsesNoProxyOfTheEnvironment) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  HttpService server(always("200 OK"));
  Rig rig;
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}

TEST(Post, GoesByTheProxyOfTheOption) {
  HttpService proxy(always("200 OK"));
  Rig rig;
  rig.option("url", "http://server.example/mail");
  rig.option("proxy", proxy.url().substr(0, proxy.url().rfind('/')));
  ASSERT_EQ(rig.start(), 0) << rig.errors();
  lsmtpd_test_real_time(rig.raw(), 1);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(proxy.requests().at(0), StartsWith("POST http://server.example/mail HTTP/1.1\r\n"));
}

TEST(Answer, IsStoredOnlyOnceAllOfItIsThere) {
  HttpService server([](const std::string&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
  });
  Rig rig;
  rig.open(server);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 1; }));
  rig.turn();
  EXPECT_EQ(rig.answer(call), nullptr) << "half of the body is there";
}

TEST(Answer, ThatEndsTooEarlyIsInDoubt) {
  for (const char* part : {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
                           "HTTP/1.1 422 No\r\nContent-Length: 4\r\n\r\nab",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab"}) {
    HttpService server([part](const std::string&) { return ended(part); });
    Rig rig;
    rig.open(server);
    const lsmtpd_test_verdict& verdict = rig.deliver();
    EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL) << part;
    EXPECT_TRUE(Rig::in_doubt(verdict)) << part;
    EXPECT_EQ(verdict.code, 451U);
  }
}

TEST(Answer, IsReadUpToItsBound) {
  HttpService server(always("200 OK", std::string(5000, 'x')));
  Rig rig;
  rig.option("max_answer", "4KiB");
  rig.open(server);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_TRUE(Rig::in_doubt(verdict));
  EXPECT_NE(verdict.flags & LSMTPD_CAUSE_PASSES, 0U);
  EXPECT_THAT(rig.log(), HasSubstr("larger than max_answer"));
}

TEST(Answer, ThatRefusesCountsThoughItsBodyIsTooLarge) {
  HttpService server(always("422 No", std::string(5000, 'x')));
  Rig rig;
  rig.option("max_answer", "4KiB");
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_REJECT);
}

TEST(Answer, OfARedirectIsNotFollowed) {
  HttpService other(always("200 OK"));
  HttpService server([&](const std::string&) {
    return "HTTP/1.1 307 Moved\r\nLocation: " + other.url() + "\r\nContent-Length: 0\r\n\r\n";
  });
  Rig rig;
  rig.open(server);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(Rig::in_doubt(verdict));
  EXPECT_TRUE(other.requests().empty());
  EXPECT_THAT(rig.log(), HasSubstr("the server does not take the requests"));
}

TEST(Answer, BecomesTheTextForTheClientWhereItIsAsked) {
  HttpService server(always("422 No", "No such customer\nsecond line"));
  Rig plain;
  plain.open(server);
  EXPECT_EQ(text(plain.deliver()), "Refused by the application");
  Rig relaying;
  relaying.option("relay_text", "true");
  relaying.open(server);
  EXPECT_EQ(text(relaying.deliver()), "No such customer");
}

TEST(Size, BeyondTheLimitIsRefusedAndTheLimitAnnounced) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.option("format", "raw").option("max_message", "4KiB");
  rig.open(server);
  EXPECT_EQ(rig.admission().max_message_size, 4096U);
  EXPECT_EQ(rig.deliver(rig.mail(std::string(4097, 'x'))).code, 552U);
  EXPECT_EQ(rig.deliver(rig.mail(std::string(4096, 'x'))).kind, LSMTPD_STORED);
  EXPECT_EQ(server.requests().size(), 1U);
}

}  // namespace
}  // namespace lsmtpd::output_http::test
