// SPDX-License-Identifier: Apache-2.0
#include "io/dns.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <optional>

#include "dns_server.hpp"
#include "io/loop.hpp"
#include "run_loop.hpp"

namespace lsmtpd::io {
namespace {

using test::DnsServer;
using testing::HasSubstr;

const std::string kLoopback2("\x7f\0\0\2", 4);
using Strings = std::vector<std::string>;

Strings listed(const DnsServer::Query& query) {
  return {DnsServer::reply(query).record(query.name, 1, 60, kLoopback2).octets()};
}
Strings silent(const DnsServer::Query&) {
  return {};
}
DnsServer::Answers answers_with(uint32_t rcode) {
  return [rcode](const DnsServer::Query& query) -> Strings {
    return {DnsServer::reply(query).rcode(rcode).soa("example", 60, 60).octets()};
  };
}

class Dns : public testing::Test {
 protected:
  DnsResolver& resolver(Strings servers) {
    resolver_ = std::make_unique<DnsResolver>(loop_, std::move(servers), limit_);
    return *resolver_;
  }
  // Asks, waits, and expects one answer.
  DnsAnswer ask(DnsResolver& resolver, const std::string& name, DnsType type = DnsType::a,
                uint64_t deadline_ms = 10'000) {
    std::optional<DnsAnswer> answer;
    int times = 0;
    test::on_loop(loop_, [&] {
      const auto id = resolver.query(name, type, deadline_ms, [&](const DnsAnswer& got) {
        answer = got;
        ++times;
      });
      EXPECT_NE(id, 0u);
      EXPECT_FALSE(answer) << "from inside query()";
    });
    EXPECT_TRUE(test::run_until(loop_, [&] { return answer.has_value(); }));
    test::turn(loop_);
    EXPECT_EQ(times, 1);
    return answer.value_or(DnsAnswer{});
  }
  void TearDown() override {
    test::on_loop(loop_, [&] { resolver_ = nullptr; });
    EXPECT_EQ(limit_.under_way, 0u);
  }

  Loop loop_;
  DnsResolver::Limit limit_{4};
  std::unique_ptr<DnsResolver> resolver_;
};

TEST_F(Dns, AnswersWithRecordsTtlAndRcode) {
  DnsServer server(listed);
  const auto answer = ask(resolver({server.address()}), "2.0.0.127.list.example");
  EXPECT_EQ(answer.status, DnsAnswer::Status::answered);
  ASSERT_EQ(answer.records.size(), 1u);
  EXPECT_EQ(answer.records[0].data, kLoopback2);
  EXPECT_EQ(answer.ttl, 60u);
}

TEST_F(Dns, AsksForEachType) {
  const DnsServer::Answers by_type = [](const DnsServer::Query& query) -> Strings {
    const std::string data = query.type == 28   ? std::string(16, '\1')
                             : query.type == 16 ? "\4text"
                             : query.type == 15
                                 ? std::string("\0\5", 2) + test::dns_name("mx.example")
                                 : test::dns_name("host.example");
    return {DnsServer::reply(query)
                .record(query.name, static_cast<uint16_t>(query.type), 5, data)
                .octets()};
  };
  DnsServer server(by_type);
  auto& asking = resolver({server.address()});
  EXPECT_EQ(ask(asking, "a.example", DnsType::aaaa).records.at(0).data, std::string(16, '\1'));
  EXPECT_EQ(ask(asking, "a.example", DnsType::txt).records.at(0).data, "text");
  EXPECT_EQ(ask(asking, "a.example", DnsType::mx).records.at(0).data, "mx.example");
  EXPECT_EQ(ask(asking, "1.2.0.192.in-addr.arpa", DnsType::ptr).records.at(0).data, "host.example");
}

TEST_F(Dns, NameThatIsNotThereIsAnAnswer) {
  DnsServer server(answers_with(3));
  const auto answer = ask(resolver({server.address()}), "none.example");
  EXPECT_EQ(answer.status, DnsAnswer::Status::answered);
  EXPECT_EQ(answer.rcode, 3u);
  EXPECT_EQ(answer.ttl, 60u);
  EXPECT_TRUE(answer.records.empty());
}

TEST_F(Dns, TruncatedAnswerIsFetchedByTcp) {
  const DnsServer::Answers truncating = [](const DnsServer::Query& query) -> Strings {
    if (!query.tcp) return {DnsServer::reply(query).truncated().octets()};
    auto all = DnsServer::reply(query);
    for (int i = 0; i < 500; ++i) all.record(query.name, 1, 60, kLoopback2);
    return {all.octets()};
  };
  DnsServer server(truncating);
  EXPECT_EQ(ask(resolver({server.address()}), "many.example").records.size(), 500u);
  EXPECT_EQ(server.asked_by_tcp(), 1);
}

TEST_F(Dns, ServerThatFailsIsFollowedByTheNext) {
  for (const uint32_t rcode : {2u, 4u, 5u}) {
    DnsServer failing(answers_with(rcode)), good(listed);
    const auto answer = ask(resolver({failing.address(), good.address()}), "a.example");
    EXPECT_EQ(answer.rcode, 0u);
    EXPECT_EQ(answer.records.size(), 1u);
  }
}

TEST_F(Dns, RcodeOfServersThatAllFailIsTold) {
  DnsServer one(answers_with(2)), two(answers_with(5));
  const auto answer = ask(resolver({one.address(), two.address()}), "a.example");
  EXPECT_EQ(answer.status, DnsAnswer::Status::answered);
  EXPECT_EQ(answer.rcode, 5u);
  EXPECT_EQ(one.asked(), 1);
}

TEST_F(Dns, SilentServerIsFollowedByTheNext) {
  DnsServer dumb(silent), good(listed);
  EXPECT_EQ(ask(resolver({dumb.address(), good.address()}), "a.example").records.size(), 1u);
}

TEST_F(Dns, DeadlineEndsAQuestionThatNobodyAnswers) {
  DnsServer server(silent);
  const uint64_t before = loop_.now_ms();
  const auto answer = ask(resolver({server.address()}), "a.example", DnsType::a, 200);
  EXPECT_EQ(answer.status, DnsAnswer::Status::timeout);
  EXPECT_EQ(answer.error, "no server answered in time");
  EXPECT_LT(loop_.now_ms() - before, 4000u);  // c-ares itself would wait 4.5 s
  EXPECT_EQ(resolver_->open(), 0u);
}

TEST_F(Dns, NobodyThereFailsWithAReason) {
  std::string address;
  {
    DnsServer gone(silent);
    address = gone.address();
  }
  const auto answer = ask(resolver({address}), "a.example");
  EXPECT_EQ(answer.status, DnsAnswer::Status::failed);
  EXPECT_THAT(answer.error, HasSubstr("contact DNS servers"));
}

TEST_F(Dns, AnswersWithAnotherIdOrQuestionAreIgnored) {
  const DnsServer::Answers lying = [](const DnsServer::Query& query) -> Strings {
    auto other = query;
    other.id[0] = static_cast<char>(other.id[0] ^ 1);
    auto elsewhere = query;
    elsewhere.question =
        test::dns_name("b.example") + query.question.substr(query.question.size() - 4);
    const std::string wrong("\x7f\0\0\xff", 4);
    return {DnsServer::reply(other).record(query.name, 1, 60, wrong).octets(),
            DnsServer::reply(elsewhere).record("b.example", 1, 60, wrong).octets(),
            listed(query)[0]};
  };
  DnsServer server(lying);
  const auto answer = ask(resolver({server.address()}), "a.example");
  ASSERT_EQ(answer.records.size(), 1u);
  EXPECT_EQ(answer.records[0].data, kLoopback2);
}

TEST_F(Dns, MalformedAnswerFails) {
  const DnsServer::Answers cut = [](const DnsServer::Query& query) -> Strings {
    auto whole = listed(query)[0];
    whole.resize(whole.size() - 2);
    return {whole};
  };
  DnsServer server(cut);
  const auto answer = ask(resolver({server.address()}), "a.example", DnsType::a, 3000);
  EXPECT_NE(answer.status, DnsAnswer::Status::answered);
  EXPECT_TRUE(answer.records.empty());
}

TEST_F(Dns, CancelledQuestionGetsNoAnswer) {
  DnsServer server(listed);
  auto& asking = resolver({server.address()});
  int answers = 0;
  test::on_loop(loop_, [&] {
    const auto id =
        asking.query("a.example", DnsType::a, 1000, [&](const DnsAnswer&) { ++answers; });
    asking.cancel(id);
    asking.cancel(id);
  });
  ask(asking, "b.example");
  EXPECT_EQ(answers, 0);
}

TEST_F(Dns, AnswerMayCancelAnotherThatIsReady) {
  DnsServer server(silent);
  auto& asking = resolver({server.address()});
  int answers = 0;
  test::on_loop(loop_, [&] {
    uint64_t ids[2] = {};
    static uint64_t shared[2];
    for (int i = 0; i < 2; ++i) {
      ids[i] = asking.query("a.example", DnsType::a, 50, [&answers, &asking, i](const DnsAnswer&) {
        ++answers;
        asking.cancel(shared[1 - i]);
      });
      shared[i] = ids[i];
    }
  });
  EXPECT_TRUE(test::run_until(loop_, [&] { return answers > 0; }));
  test::turn(loop_);
  EXPECT_EQ(answers, 1);
}

TEST_F(Dns, AnswerMayDestroyTheResolverAndAskAgain) {
  DnsServer server(listed);
  auto& asking = resolver({server.address()});
  bool done = false;
  test::on_loop(loop_, [&] {
    asking.query("a.example", DnsType::a, 1000, [&](const DnsAnswer&) {
      resolver_->query("b.example", DnsType::a, 1000, [&](const DnsAnswer&) {
        resolver_->query("c.example", DnsType::a, 1000, [](const DnsAnswer&) { FAIL(); });
        resolver_ = nullptr;
        done = true;
      });
    });
  });
  EXPECT_TRUE(test::run_until(loop_, [&] { return done; }));
  test::turn(loop_);
}

TEST_F(Dns, QuestionsBeyondTheLimitAreRefused) {
  DnsServer server(silent);
  auto& asking = resolver({server.address()});
  const auto nothing = [](const DnsAnswer&) {};
  test::on_loop(loop_, [&] {
    std::vector<uint64_t> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(asking.query("a.example", DnsType::a, 1000, nothing));
    EXPECT_THAT(ids, testing::Each(testing::Ne(0u)));
    EXPECT_EQ(asking.query("a.example", DnsType::a, 1000, nothing), 0u);
    asking.cancel(ids[0]);
    EXPECT_EQ(asking.query("a.example", DnsType::a, 1000, nothing), 0u) << "c-ares still has it";
    EXPECT_EQ(limit_.under_way, 4u);
  });
}

TEST_F(Dns, NameThatIsNoneIsRefusedAndCountsNowhere) {
  auto& asking = resolver({"127.0.0.1:9"});
  test::on_loop(loop_, [&] {
    EXPECT_EQ(asking.query("a b", DnsType::a, 1000, [](const DnsAnswer&) {}), 0u);
  });
  EXPECT_EQ(limit_.under_way, 0u);
}

// Sockets of c-ares are closed and their numbers taken again, under load.
TEST_F(Dns, ManyQuestionsOneAfterTheOtherAreAnswered) {
  DnsServer server(listed);
  DnsResolver::Limit wide(1000);
  auto asking = std::make_unique<DnsResolver>(loop_, Strings{server.address()}, wide);
  int answered = 0;
  std::function<void(int)> next = [&](int left) {
    if (left == 0) return;
    const auto id = asking->query("a" + std::to_string(left) + ".example", DnsType::a, 10'000,
                                  [&, left](const DnsAnswer& answer) {
                                    answered += answer.records.size() == 1;
                                    next(left - 1);
                                  });
    EXPECT_NE(id, 0u);
  };
  test::on_loop(loop_, [&] {
    for (int i = 0; i < 20; ++i) next(20);
  });
  EXPECT_TRUE(test::run_until(loop_, [&] { return answered == 400; }));
  test::on_loop(loop_, [&] { asking = nullptr; });
}

TEST_F(Dns, ServersOfTheSystemAreTheDefault) {
  auto& asking = resolver({});
  bool answered = false;
  test::on_loop(loop_, [&] {
    // The servers may answer anything; without a network the deadline ends it.
    EXPECT_NE(
        asking.query("localhost", DnsType::a, 300, [&](const DnsAnswer&) { answered = true; }), 0u);
  });
  EXPECT_TRUE(test::run_until(loop_, [&] { return answered; }));
}

}  // namespace
}  // namespace lsmtpd::io
