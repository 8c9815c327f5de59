// SPDX-License-Identifier: Apache-2.0
// The whole plugin against a scripted server: losses, kept connections, pauses, deadlines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "rig_http.hpp"

namespace lsmtpd::output_http::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string silent(const std::string&) {
  return {};
}

// A server that closes the connection when the second request has come on it, as one whose
// keep-alive time is over at that moment.
void a_stale_connection_is_replaced(const std::string& content) {
  std::atomic<int> count{0};
  HttpService server(
      [&](const std::string&) { return ++count == 2 ? ended() : http_answer("200 OK"); });
  Rig rig;
  rig.option("format", "raw");
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(rig.deliver(rig.mail(content)).kind, LSMTPD_STORED);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_TRUE(requests[1] == requests[2]) << "with its Idempotency-Key";
  EXPECT_TRUE(body_of(requests[2]) == content);
  EXPECT_EQ(server.connections(), 2);
  EXPECT_THAT(rig.log(), Not(HasSubstr("gives no answer")));
}

TEST(Stale, ConnectionIsReplacedWithTheSameRequestAndNoFailure) {
  a_stale_connection_is_replaced("\r\nsmall\r\n");
}

TEST(Stale, ConnectionIsReplacedForALargeMessageToo) {
  a_stale_connection_is_replaced(large_mail());
}

TEST(Loss, AfterASecondSendIsStillInDoubt) {
  std::atomic<int> count{0};
  auto server = std::make_unique<HttpService>([&](const std::string&) {
    return ++count == 2 ? ended() : count > 2 ? ended("HTTP/1") : http_answer("200 OK");
  });
  Rig rig;
  rig.open(*server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_TRUE(Rig::in_doubt(rig.deliver()));
}

TEST(Loss, CountsAgainstAMessageOnlyWhereOthersAreAnswered) {
  std::atomic<bool> well{true};
  HttpService server(
      [&](const std::string&) { return well ? http_answer("200 OK") : ended("HTTP/1.1 2"); });
  Rig rig;
  rig.option("reconnect_last", "200ms");
  rig.open(server);
  const auto passes = [&] {
    rig.advance(500);
    const lsmtpd_test_verdict& verdict = rig.deliver();
    EXPECT_TRUE(Rig::in_doubt(verdict));
    return (verdict.flags & LSMTPD_CAUSE_PASSES) != 0;
  };
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  well = false;
  EXPECT_FALSE(passes());
  EXPECT_TRUE(passes()) << "nothing shows that the server is there";
  EXPECT_TRUE(passes());
}

TEST(Reach, FailureTurnsMailAwayForAPauseThatDoublesUntilOneIsAnswered) {
  std::string url;
  { url = HttpService(always("200 OK")).url(); }
  Rig rig;
  rig.option("url", url).option("reconnect_first", "1s").option("reconnect_last", "2s");
  ASSERT_EQ(rig.start(), 0);
  lsmtpd_test_real_time(rig.raw(), 1);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(Rig::in_doubt(verdict));
  EXPECT_THAT(rig.reason(), HasSubstr("server not reached: connect"));
  rig.advance(1000);
  EXPECT_EQ(rig.admission().ready, 1U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  rig.advance(1000);
  EXPECT_EQ(rig.admission().ready, 0U) << "the pause is 2 s now";
  rig.advance(1000);
  EXPECT_EQ(rig.admission().ready, 1U);
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_up"), 0);
}

TEST(Reach, MessagesWaitForTheFirstOneAfterAPause) {
  std::atomic<int> mode{0};
  HttpService server([&](const std::string&) {
    return mode == 0 ? ended("HTTP/1") : mode == 1 ? std::string() : http_answer("200 OK");
  });
  Rig rig;
  rig.open(server);
  EXPECT_TRUE(Rig::in_doubt(rig.deliver()));
  rig.advance(300);
  mode = 1;
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(rig.send());
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 2; }));
  rig.turn();
  EXPECT_EQ(server.requests().size(), 2U) << "one goes first";
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_unsettled"), 1);
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_held"), 4);
}

TEST(RetryAfter, TurnsMailAwayUntilThen) {
  std::atomic<bool> busy{true};
  HttpService server([&](const std::string&) {
    return busy ? std::string("HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")
                : http_answer("200 OK");
  });
  Rig rig;
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  busy = false;
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(server.requests().size(), 1U);
  EXPECT_THAT(rig.reason(), HasSubstr("Retry-After"));
  rig.advance(119'000);
  EXPECT_EQ(rig.admission().ready, 0U);
  rig.advance(1'100);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(rig.log(), HasSubstr("the server takes messages again"));
}

TEST(RetryAfter, MayBeADateAndIsAnHourAtMost) {
  HttpService server([](const std::string&) {
    return std::string(
        "HTTP/1.1 429 Slow\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"
        "Content-Length: 0\r\n\r\n");
  });
  Rig rig;
  rig.open(server);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  rig.advance(3'590'000);
  EXPECT_EQ(rig.admission().ready, 0U);
  rig.advance(11'000);
  EXPECT_EQ(rig.admission().ready, 1U);
}

TEST(Deadline, StallsTheLaneUntilTheLateAnswerWhichCounts) {
  std::atomic<bool> quick{false};
  HttpService server([&](const std::string&) {
    while (!quick) std::this_thread::yield();
    return http_answer("200 OK");
  });
  Rig rig;
  rig.open(server);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 1; }));
  rig.cancel(call);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.reason(), HasSubstr("overdue"));
  quick = true;
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Deadline, IsFollowedByTheEndOfTheRequestAfterTheStall) {
  HttpService server(silent);
  Rig rig;
  rig.option("stall", "5s");
  rig.open(server);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 1; }));
  rig.cancel(call);
  EXPECT_EQ(rig.answer(call), nullptr);
  rig.advance(5'001);
  EXPECT_TRUE(Rig::in_doubt(rig.wait(call)));
  rig.advance(300);
  EXPECT_EQ(rig.admission().ready, 1U) << "the next one tries";
}

TEST(Deadline, ThatIsFollowedByALostConnectionEndsTheStall) {
  std::atomic<int> state{0};
  HttpService server([&](const std::string&) {
    if (state == 1) return http_answer("200 OK");
    while (state != 1) std::this_thread::yield();
    return ended("HTTP/1");
  });
  Rig rig;
  rig.open(server);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 1; }));
  rig.cancel(call);
  EXPECT_EQ(rig.admission().ready, 0U);
  state = 1;
  EXPECT_TRUE(Rig::in_doubt(rig.wait(call)));
  rig.advance(300);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << rig.reason();
}

TEST(Loss, OfAnEmptyMessageIsInDoubtToo) {
  HttpService server([](const std::string&) { return ended("HTTP/1"); });
  Rig rig;
  rig.option("format", "raw");
  rig.open(server);
  EXPECT_TRUE(Rig::in_doubt(rig.deliver(rig.mail(""))));
}

TEST(Close, GivesWhatIsUnderWayUpAsInDoubt) {
  HttpService server(silent);
  Rig rig;
  rig.open(server);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return server.requests().size() == 1; }));
  rig.close();
  rig.advance(3'100);
  EXPECT_TRUE(Rig::in_doubt(rig.wait(call)));
}

TEST(Memory, ThatIsUsedUpTurnsAMessageAway) {
  HttpService server(always("200 OK"));
  Rig rig;
  rig.open(server);
  lsmtpd_test_memory_limit(rig.raw(), 10'000);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(server.requests().empty());
}

TEST(Connections, AreAsManyAsTheOptionSays) {
  HttpService server(silent);
  Rig rig;
  rig.option("connections", "3");
  rig.open(server);
  for (int i = 0; i < 10; ++i) rig.send();
  ASSERT_TRUE(rig.until([&] { return server.connections() == 3; }));
  rig.turn();
  EXPECT_EQ(server.connections(), 3);
  EXPECT_EQ(lsmtpd_test_metric(rig.raw(), "output_held"), 7);
}

}  // namespace
}  // namespace lsmtpd::output_http::test
