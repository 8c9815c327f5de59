// SPDX-License-Identifier: Apache-2.0
// The parts of output_amqp that need no connection: URLs and pauses, addresses, brokers' habits,
// plans of copies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "address.hpp"
#include "encoder.hpp"
#include "job.hpp"
#include "product.hpp"
#include "url.hpp"

namespace lsmtpd::amqp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Url, HasThePortsOfItsScheme) {
  EXPECT_EQ(to_string(*parse_url("amqp://broker")), "amqp://broker:5672");
  EXPECT_EQ(to_string(*parse_url("amqps://broker/")), "amqps://broker:5671");
  EXPECT_EQ(to_string(*parse_url("amqps://broker:1234")), "amqps://broker:1234");
  EXPECT_EQ(parse_url("amqp://[::1]:99")->host, "::1");
  EXPECT_EQ(to_string(*parse_url("amqp://[::1]")), "amqp://[::1]:5672");
}

TEST(Url, RefusesWhatItCannotUseAndSaysWhy) {
  const std::pair<const char*, const char*> rows[] = {
      {"broker:5672", "begin with"},       {"http://broker", "begin with"},
      {"amqp://", "host name is missing"}, {"amqp://user:pw@broker", "`username` and `password`"},
      {"amqp://broker:0", "1 to 65535"},   {"amqp://broker:70000", "1 to 65535"},
      {"amqp://broker:x", "1 to 65535"},   {"amqp://[::1", "bracket"},
      {"amqp://broker/vhost", "`vhost`"},  {"amqp://bro ker", "host name"},
  };
  for (const auto& [text, why] : rows) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_THAT(url.error(), HasSubstr(why)) << text;
  }
}

TEST(Url, IsShownWithoutTheCredentialsThatDoNotBelongThere) {
  EXPECT_EQ(without_credentials("amqp://user:pw@broker:1"), "amqp://...@broker:1");
  EXPECT_EQ(without_credentials("user:p@w@broker"), "...@broker");
  EXPECT_EQ(without_credentials("amqp://bro ker"), "amqp://bro ker");
}

TEST(Failover, PausesOnlyAfterAWholeRoundAndDoubles) {
  Failover order(2, 100, 350);
  EXPECT_EQ(order.failed(0), 0U);
  EXPECT_EQ(order.current(), 1U);
  EXPECT_FALSE(order.exhausted());
  EXPECT_EQ(order.failed(0), 100U);
  EXPECT_TRUE(order.exhausted());
  EXPECT_EQ(order.current(), 0U);
  EXPECT_EQ(order.failed(0), 0U);
  EXPECT_EQ(order.failed(0), 200U);
  order.failed(0);
  EXPECT_EQ(order.failed(0), 350U);
  order.succeeded();
  EXPECT_FALSE(order.exhausted());
}

TEST(Failover, JitterTakesOffHalfAtMost) {
  for (std::uint64_t dice = 0; dice < 1000; ++dice) {
    const std::uint64_t pause = Failover(1, 100, 1000).failed(dice);
    EXPECT_GE(pause, 50U);
    EXPECT_LE(pause, 100U);
  }
}

TEST(Product, IsToldByNameAndVersion) {
  EXPECT_EQ(identify("RabbitMQ", "3.10.8").broker, Broker::rabbitmq3);
  EXPECT_EQ(identify("RabbitMQ", "4.0.5").broker, Broker::rabbitmq4);
  EXPECT_EQ(identify("apache-activemq-artemis", "2.31.2").broker, Broker::artemis);
  EXPECT_EQ(identify("qpid", "9.2.0").broker, Broker::broker_j);
  EXPECT_EQ(identify("qpid-dispatch-router", "1.19").broker, Broker::unknown);
  EXPECT_EQ(identify("", "").broker, Broker::unknown);
}

TEST(Product, WritesExchangeAndQueueInItsOwnForm) {
  EXPECT_EQ(exchange_address(Broker::rabbitmq3, "", "mail"), "/queue/mail");
  EXPECT_EQ(exchange_address(Broker::rabbitmq3, "e", "k"), "/exchange/e/k");
  EXPECT_EQ(exchange_address(Broker::rabbitmq4, "", "a b/c"), "/queues/a%20b%2Fc");
  EXPECT_EQ(exchange_address(Broker::rabbitmq4, "e", "k"), "/exchanges/e/k");
  EXPECT_EQ(exchange_address(Broker::rabbitmq4, "e", ""), "/exchanges/e");
  EXPECT_EQ(exchange_address(Broker::artemis, "", "mail"), "mail");
  EXPECT_EQ(exchange_address(Broker::broker_j, "e", "k"), "e/k");
}

TEST(Product, KnowsTheTargetsThatLose) {
  const auto lossy = [](Broker broker, const char* address, std::uint8_t durability = 1,
                        std::vector<std::string> capabilities = {"queue"}) {
    return !lossy_reason(broker, {address, durability, std::move(capabilities)}).empty();
  };
  EXPECT_TRUE(lossy(Broker::rabbitmq3, "/exchange/e/k"));
  EXPECT_TRUE(lossy(Broker::rabbitmq3, "/amq/queue/q"));
  EXPECT_TRUE(lossy(Broker::rabbitmq3, "/queue/q", 0));
  EXPECT_FALSE(lossy(Broker::rabbitmq3, "/queue/q"));
  EXPECT_TRUE(lossy(Broker::artemis, "mail", 1, {}));
  EXPECT_FALSE(lossy(Broker::artemis, "mail"));
  EXPECT_FALSE(lossy(Broker::rabbitmq4, "/exchanges/e/k"));
  EXPECT_FALSE(lossy(Broker::broker_j, "mail", 0, {}));
}

class Envelope {
 public:
  explicit Envelope(std::vector<std::string> recipients) : addresses_(std::move(recipients)) {
    for (const std::string& address : addresses_) list_.push_back({str(address), {}});
    raw.size = sizeof raw;
    raw.recipients = list_.data();
    raw.recipient_count = list_.size();
    raw.reverse_path = str("s@Sender.example");
    raw.listener = str("mx");
    raw.id = str("id-1");
  }
  lsmtpd_envelope raw{};

 private:
  static lsmtpd_str str(std::string_view text) { return {text.data(), text.size()}; }
  std::vector<std::string> addresses_;
  std::vector<lsmtpd_recipient> list_;
};

std::string expand(const char* text, const Envelope& envelope, std::string_view recipient) {
  return Template::parse(text)->expand(envelope.raw, recipient);
}

TEST(Address, FillsInWhatIsKnownOfTheMessage) {
  const Envelope envelope({"Bob@Example.ORG"});
  EXPECT_EQ(expand("mail", envelope, "x"), "mail");
  EXPECT_EQ(expand("q.{rcpt_domain}.{listener}", envelope, "Bob@Example.ORG"), "q.example.org.mx");
  EXPECT_EQ(expand("{rcpt_local}-{sender_domain}-{id}", envelope, "Bob@Example.ORG"),
            "Bob-sender.example-id-1");
  EXPECT_EQ(expand("{{{auth_user}}}", envelope, "x"), "{none}");
}

TEST(Address, ValuesCannotLeaveTheirPlace) {
  const Envelope envelope({"x"});
  EXPECT_EQ(expand("/queue/{rcpt}", envelope, "../a b/#*?@x\n"),
            "/queue/..%2Fa%20b%2F%23%2A%3F%40x%0A");
  EXPECT_EQ(expand("{rcpt_domain}", envelope, "no-domain"), "none");
  EXPECT_EQ(expand("{rcpt_local}", envelope, std::string(1000, 'a') + "@x"), std::string(255, 'a'));
}

TEST(Address, MistakesAreNamed) {
  EXPECT_THAT(Template::parse("a{b").error(), HasSubstr("not closed"));
  EXPECT_THAT(Template::parse("a}b").error(), HasSubstr("without its"));
  EXPECT_THAT(Template::parse("{domain}").error(), HasSubstr("{rcpt_domain}"));
}

Options with_address(const char* text, bool split = false) {
  Options options;
  options.address = *Template::parse(text);
  options.split = split;
  return options;
}

TEST(Plan, IsOneCopyForAllWhereNothingAsksForMore) {
  const Envelope envelope({"a@x", "b@y"});
  const auto copies = plan(with_address("mail"), envelope.raw, {});
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_THAT(copies[0].recipients, IsEmpty());
  EXPECT_EQ(copies[0].suffix, "");
}

TEST(Plan, GroupsByAddressAndNumbersByTheFirstRecipient) {
  const Envelope envelope({"a@x", "b@y", "c@X"});
  const auto copies = plan(with_address("{rcpt_domain}"), envelope.raw, {});
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_THAT(copies[0].recipients, ElementsAre(0, 2));
  EXPECT_EQ(copies[0].suffix, ".0");
  EXPECT_EQ(copies[1].suffix, ".1");
}

TEST(Plan, LeavesOutWhatWasStoredAndKeepsTheNumbers) {
  const Envelope envelope({"a@x", "b@y", "c@z"});
  const auto copies = plan(with_address("mail", true), envelope.raw, {0, 2});
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].suffix, ".1");
  EXPECT_THAT(plan(with_address("mail", true), envelope.raw, {0, 1, 2}), IsEmpty());
}

TEST(Plan, AnnotationGoesThereAndBack) {
  EXPECT_EQ(write_done(9, {0, 1, 2, 5, 7, 8}), "9:0-2,5,7-8");
  EXPECT_THAT(read_done("9:0-2,5,7-8", 9), ElementsAre(0, 1, 2, 5, 7, 8));
  EXPECT_THAT(read_done("9:0-2", 8), IsEmpty()) << "another envelope";
  for (const char* broken :
       {"", "9", "9:", "9:x", "9:1-", "9:3-1", "9:9", "9:1;2", "x:1", "9:1,,2"}) {
    EXPECT_THAT(read_done(broken, 9), IsEmpty()) << broken;
  }
}

TEST(Plan, NotNowComesBeforeRefusedAndRefusedBeforeStored) {
  Job job;
  job.parts.resize(3);
  job.parts[0].outcome.kind = Kind::stored;
  job.parts[1].outcome.kind = Kind::rejected;
  job.parts[2].outcome.kind = Kind::stored;
  EXPECT_EQ(verdict_of(job).kind, Kind::rejected);
  job.parts[2].outcome.kind = Kind::later;
  EXPECT_EQ(verdict_of(job).kind, Kind::later);
}

TEST(Size, AnnouncedLeavesRoomForWhatEncodingAdds) {
  EXPECT_EQ(content_limit(Format::json, 0), 0U);
  EXPECT_LT(content_limit(Format::rfc822, 16777216), 16777216U);
  // Lines of 14 bytes become 16.
  EXPECT_LE(content_limit(Format::json, 16777216) / 14 * 16, 16777216U);
  EXPECT_GT(content_limit(Format::json, 1000), 500U);
}

}  // namespace
}  // namespace lsmtpd::amqp
