// SPDX-License-Identifier: Apache-2.0
// The parts of output_amqp that need no connection: URLs and pauses, addresses, brokers' habits,
// plans of copies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sink/job.hpp>
#include <sink/template.hpp>
#include <sink/url.hpp>
#include "encoder.hpp"
#include "frame_watch.hpp"
#include "product.hpp"

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

TEST(Url, AnAddressIsNoName) {
  for (const char* address : {"127.0.0.1", "::1", "fe80::1%eth0"})
    EXPECT_TRUE(is_address(address)) << address;
  for (const char* name : {"localhost", "127.example.org", "10.0.0", "a::b%"})
    EXPECT_FALSE(is_address(name)) << name;
}

TEST(Product, IsToldByNameAndVersion) {
  EXPECT_EQ(identify("RabbitMQ", "3.10.8").broker, Broker::rabbitmq3);
  EXPECT_EQ(identify("RabbitMQ", "4.0.5").broker, Broker::rabbitmq4);
  EXPECT_EQ(identify("apache-activemq-artemis", "2.31.2").broker, Broker::artemis);
  EXPECT_EQ(identify("qpid", "9.2.0").broker, Broker::broker_j);
  EXPECT_EQ(identify("ActiveMQ", "6.3.1").broker, Broker::classic);
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
    return !judge({broker, "", ""}, {address, durability, std::move(capabilities)}).loses.empty();
  };
  EXPECT_TRUE(lossy(Broker::rabbitmq3, "/exchange/e/k"));
  EXPECT_TRUE(lossy(Broker::rabbitmq3, "/amq/queue/q"));
  EXPECT_TRUE(lossy(Broker::rabbitmq3, "/queue/q", 0));
  EXPECT_FALSE(lossy(Broker::rabbitmq3, "/queue/q"));
  EXPECT_TRUE(lossy(Broker::artemis, "mail", 1, {}));
  EXPECT_FALSE(lossy(Broker::artemis, "mail"));
  EXPECT_FALSE(lossy(Broker::rabbitmq4, "/exchanges/e/k"));
  EXPECT_FALSE(lossy(Broker::broker_j, "mail", 0, {}));
  EXPECT_TRUE(lossy(Broker::broker_j, "amq.direct"));
  EXPECT_TRUE(lossy(Broker::broker_j, "e/k"));
  EXPECT_TRUE(lossy(Broker::classic, "topic://mail"));
  EXPECT_FALSE(lossy(Broker::classic, "mail"));
}

TEST(Product, DoesNotKnowTheQueuesOfRabbitMq3From313On) {
  const auto unsure = [](const char* version) {
    return !judge({Broker::rabbitmq3, "RabbitMQ", version}, {"/queue/q", 1, {}}).unsure.empty();
  };
  EXPECT_FALSE(unsure("3.10.8"));
  EXPECT_FALSE(unsure("3.12.14"));
  EXPECT_TRUE(unsure("3.13.0"));
  EXPECT_TRUE(unsure(""));
}

TEST(Product, JudgesAQueueByWhatItsManagementSays) {
  const auto judged = [](QueueFacts facts) {
    Judgement judgement;
    judge_queue(facts, &judgement);
    return judgement;
  };
  QueueFacts facts;
  facts.type = "quorum";
  EXPECT_THAT(judged(facts).rests_on, HasSubstr("majority"));
  EXPECT_EQ(judged(facts).unsynced + judged(facts).loses + judged(facts).unsure, "");
  facts.drops_head = true;
  EXPECT_THAT(judged(facts).loses, HasSubstr("reject-publish"));
  facts.drops_head = false;
  facts.durable = false;
  EXPECT_THAT(judged(facts).loses, HasSubstr("durable"));
  facts.durable = true;
  facts.type = "classic";
  EXPECT_THAT(judged(facts).unsynced, HasSubstr("synced"));
  facts.type = "stream";
  EXPECT_THAT(judged(facts).unsynced, HasSubstr("stream"));
  facts.type = "new";
  EXPECT_THAT(judged(facts).unsure, HasSubstr("new"));
  facts.unknown = "the broker answers 401";
  EXPECT_THAT(judged(facts).unsure, HasSubstr("401"));
}

TEST(Product, FindsTheQueueInAnAddressOfRabbitMq4) {
  EXPECT_EQ(queue_path("/queues/a%2Fb"), "/queues/a%2Fb");
  EXPECT_EQ(queue_path("/queue/a/b"), "/queues/a%2Fb");
  EXPECT_EQ(queue_path("/amq/queue/a"), "/queues/a");
  EXPECT_EQ(queue_path("/exchanges/e/k"), "");
}

// A SASL exchange with two mechanisms, an Open, and transfers with both forms of a descriptor.
std::string conversation() {
  const auto frame = [](char type, const std::string& body) {
    std::string out("\0\0\0\0\x02\0\0\0", 8);
    out[3] = static_cast<char>(8 + body.size());
    out[5] = type;
    return out + body;
  };
  const std::string sasl("AMQP\x03\x01\0\0", 8);
  const std::string amqp("AMQP\0\x01\0\0", 8);
  const std::string mechanisms(
      "\0\x53\x40\xc0\x14\x01\xe0\x11\x02\xa3\x05PLAIN\x08"
      "EXTERNAL",
      25);
  const std::string open("\0\x53\x10\xc0\x04\x01\xa1\x01x", 9);
  const std::string transfer(
      "\0\x53\x14\xc0\x02\x01\x43"
      "AMQP",
      11);
  const std::string long_form("\0\x80\0\0\0\0\0\0\0\x14\xc0\x02\x01\x43", 14);
  return sasl + frame(1, mechanisms) + amqp + frame(0, open) + frame(0, transfer) + frame(0, "") +
         frame(0, long_form) + frame(0, std::string(100, '\x14'));
}

TEST(FrameWatch, SeesMechanismsAndTransfersHoweverTheyCome) {
  const std::string all = conversation();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, all.size()}) {
    FrameWatch watch;
    for (std::size_t at = 0; at < all.size(); at += piece)
      watch.feed(std::string_view(all).substr(at, piece));
    EXPECT_EQ(watch.mechanisms(), "PLAIN EXTERNAL") << piece;
    EXPECT_EQ(watch.transfers(), 2U) << piece;
    EXPECT_EQ(watch.greeting(), all.substr(0, 8)) << piece;
  }
}

TEST(FrameWatch, StopsAtWhatIsNoFrame) {
  FrameWatch watch;
  watch.feed(std::string(3, '\0'));
  watch.feed("\x07 and whatever follows");
  watch.feed(conversation());
  EXPECT_EQ(watch.transfers(), 0U);
}

class Envelope {
 public:
  explicit Envelope(std::vector<std::string> recipients) : addresses_(std::move(recipients)) {
    for (const std::string& address : addresses_)
      list_.push_back({str(address), {}, static_cast<uint32_t>(list_.size()), 0});
    raw.size = sizeof raw;
    raw.recipients = list_.data();
    raw.recipient_stride = sizeof list_[0];
    raw.recipient_count = raw.recipient_total = list_.size();
    raw.reverse_path = str("s@Sender.example");
    raw.listener = str("mx");
    raw.id = str("id-1");
  }
  // Only these are left.
  void keep(const std::vector<uint32_t>& numbers) {
    std::vector<lsmtpd_recipient> kept;
    for (const uint32_t number : numbers) kept.push_back(list_[number]);
    list_ = kept;
    raw.recipients = list_.data();
    raw.recipient_count = list_.size();
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

TargetOptions with_address(const char* text, bool split = false) {
  TargetOptions options;
  options.address = *Template::parse(text);
  options.split = split;
  return options;
}

TEST(Plan, IsOneCopyForAllWhereNothingAsksForMore) {
  const Envelope envelope({"a@x", "b@y"});
  const auto copies = plan(with_address("mail"), envelope.raw);
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_THAT(copies[0].recipients, IsEmpty());
  EXPECT_EQ(copies[0].suffix, "");
}

TEST(Plan, GroupsByAddressAndNumbersByTheFirstRecipient) {
  const Envelope envelope({"a@x", "b@y", "c@X"});
  const auto copies = plan(with_address("{rcpt_domain}"), envelope.raw);
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_THAT(copies[0].recipients, ElementsAre(0, 2));
  EXPECT_EQ(copies[0].suffix, ".0");
  EXPECT_EQ(copies[1].suffix, ".1");
}

TEST(Plan, TheIdOfACopyStaysTheSameWhereOtherRecipientsAreGone) {
  Envelope envelope({"a@x", "b@y", "c@z"});
  envelope.keep({1});
  const auto copies = plan(with_address("mail", true), envelope.raw);
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].suffix, ".1");
  EXPECT_THAT(copies[0].recipients, ElementsAre(0)) << "its place now";
}

TEST(Plan, CopiesAreCountedAsTheyArePlanned) {
  const Envelope envelope({"a@x", "b@y", "c@X", "d@y"});
  const Envelope nobody({});
  for (const char* address : {"mail", "{rcpt_domain}", "{rcpt}", "{sender_domain}"}) {
    for (const bool split : {false, true}) {
      const TargetOptions options = with_address(address, split);
      EXPECT_EQ(count_copies(options, envelope.raw), plan(options, envelope.raw).size()) << address;
      EXPECT_EQ(count_copies(options, nobody.raw), 1U) << address;
    }
  }
}

TEST(Plan, TempfailOutranksRefusedAndRefusedOutranksStored) {
  Job job;
  job.parts.resize(3);
  job.parts[0].outcome.kind = Kind::stored;
  job.parts[1].outcome.kind = Kind::rejected;
  job.parts[2].outcome.kind = Kind::stored;
  EXPECT_EQ(verdict_of(job).kind, Kind::rejected);
  job.parts[2].outcome.kind = Kind::tempfail;
  EXPECT_EQ(verdict_of(job).kind, Kind::tempfail);
}

TEST(Size, AnnouncedLeavesRoomForWhatEncodingAdds) {
  EXPECT_EQ(content_limit_of_link(Format::json, 0), 0U);
  EXPECT_LT(content_limit_of_link(Format::rfc822, 16777216), 16777216U);
  // Lines of 14 bytes become 16.
  EXPECT_LE(content_limit_of_link(Format::json, 16777216) / 14 * 16, 16777216U);
  EXPECT_GT(content_limit_of_link(Format::json, 1000), 500U);
}

}  // namespace
}  // namespace lsmtpd::amqp
