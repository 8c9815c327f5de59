// SPDX-License-Identifier: Apache-2.0
// The message at the broker: byte for byte, in both formats, small and large, from memory and from
// a file; splits and the sizes that a link takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <map>
#include <proton/annotation_key.hpp>
#include <proton/map.hpp>
#include <proton/message_id.hpp>
#include <proton/timestamp.hpp>

#include "message_fields.hpp"
#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;
using testing::UnorderedElementsAre;

std::string text_property(proton::message& message, const char* key) {
  return proton::get<std::string>(message.properties().get(key));
}

std::string patterned(std::size_t size) {
  std::string content;
  content.reserve(size);
  for (std::size_t i = 0; content.size() < size; ++i)
    content += "line " + std::to_string(i) + "\r\n";
  content.resize(size);
  return content;
}

TEST(Message, CarriesTheEnvelopeAsProperties) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  lsmtpd_test_mail* mail = rig.mail("Subject: x\r\n\r\nhello\r\n", "b@example.org c@example.org");
  lsmtpd_test_mail_tls(mail, "TLSv1.3", "AES");
  lsmtpd_test_mail_annotate(mail, "spam.score", "7");
  lsmtpd_test_mail_annotate(mail, "traceparent", "00-1-2-01");
  ASSERT_EQ(rig.deliver(mail).kind, LSMTPD_STORED);
  proton::message message = decoded(peer.messages().at(0));
  EXPECT_TRUE(message.durable());
  const std::string id = "00000000-0000-4000-8000-000000000001";
  EXPECT_EQ(proton::get<std::string>(message.id()), id);
  EXPECT_EQ(message.to(), "mail");
  EXPECT_EQ(message.content_type(), "application/json");
  EXPECT_EQ(message.creation_time().milliseconds(), 1700000000123);
  EXPECT_EQ(text_property(message, "smtp_mail_from"), "a@example.org");
  EXPECT_EQ(text_property(message, "smtp_rcpt_to"), "b@example.org,c@example.org");
  EXPECT_EQ(proton::get<std::int32_t>(message.properties().get("smtp_rcpt_count")), 2);
  EXPECT_EQ(text_property(message, "smtp_helo"), "client.example.org");
  EXPECT_EQ(text_property(message, "smtp_client_ip"), "192.0.2.1");
  EXPECT_EQ(text_property(message, "smtp_tls"), "TLSv1.3 AES");
  EXPECT_EQ(text_property(message, "smtp_auth_user"), "");
  EXPECT_EQ(text_property(message, "_AMQ_DUPL_ID"), id);
  EXPECT_EQ(text_property(message, "annotation_spam_score"), "7");
  EXPECT_EQ(text_property(message, "traceparent"), "00-1-2-01");
  EXPECT_THAT(body_of(peer.messages().at(0)), HasSubstr("\"traceparent\":\"00-1-2-01\""));
  EXPECT_THAT(body_of(peer.messages().at(0)),
              HasSubstr("\"email_content\":\"Subject: x\\r\\n\\r\\nhello\\r\\n\""));
}

TEST(Message, HasTheFieldsThatTheOptionsGive) {
  Peer peer({});
  Rig rig;
  rig.option("subject", "mail from {sender_domain}")
      .option("group_id", "{rcpt_domain}")
      .option("to", "/orders/{rcpt_local}")
      .option("priority", "7")
      .option("expiration", "36h")
      .option("message_annotations", "x-opt-partition-key={rcpt_domain}")
      .option("message_annotations", "x-opt-kind={{mail}}")
      .attach(peer);
  ASSERT_EQ(rig.deliver(rig.mail("x\r\n", "b@One.example c@two.example")).kind, LSMTPD_STORED);
  proton::message message = decoded(peer.messages().at(0));
  EXPECT_TRUE(message.durable());
  EXPECT_EQ(message.priority(), 7);
  EXPECT_EQ(message.ttl().milliseconds(), 36 * 3600 * 1000U);
  EXPECT_EQ(message.subject(), "mail from example.org");
  EXPECT_EQ(message.group_id(), "one.example");
  EXPECT_EQ(message.to(), "/orders/b");
  EXPECT_EQ(message.creation_time().milliseconds(), 1700000000123);
  EXPECT_EQ(message.message_annotations().size(), 2U);
  const auto annotation = [&](const char* name) {
    return proton::get<std::string>(
        message.message_annotations().get(proton::annotation_key(name)));
  };
  EXPECT_EQ(annotation("x-opt-partition-key"), "one.example");
  EXPECT_EQ(annotation("x-opt-kind"), "{mail}");
}

TEST(Message, ExpirationNeedsNoPriority) {
  Peer peer({});
  Rig rig;
  rig.option("expiration", "1s").attach(peer);
  ASSERT_EQ(rig.deliver(rig.mail()).kind, LSMTPD_STORED);
  proton::message message = decoded(peer.messages().at(0));
  EXPECT_TRUE(message.durable());
  EXPECT_EQ(message.ttl().milliseconds(), 1000U);
  EXPECT_EQ(message.priority(), 4);  // part 3, 3.2.1: the default
  EXPECT_TRUE(message.message_annotations().empty());
  EXPECT_EQ(message.subject(), "");
}

// Each copy has the values of its own recipient.
TEST(Message, FieldsByRecipientFollowTheCopy) {
  Peer peer({});
  Rig rig;
  rig.option("split", "recipient").option("group_id", "{rcpt}").attach(peer);
  ASSERT_EQ(rig.deliver(rig.mail("x\r\n", "b@example.org c@example.org")).kind, LSMTPD_STORED);
  std::vector<std::string> groups;
  for (const auto& each : peer.messages()) groups.push_back(decoded(each).group_id());
  EXPECT_THAT(groups, UnorderedElementsAre("b%40example.org", "c%40example.org"));
}

TEST(Message, LongValuesAreCut) {
  Peer peer({});
  Rig rig;
  const std::string domain = std::string(60, 'd') + ".example";
  rig.option("subject", "{rcpt}{rcpt}{rcpt}{rcpt}{rcpt}{rcpt}").attach(peer);
  const std::string recipient = std::string(64, '!') + "@" + domain;
  ASSERT_EQ(rig.deliver(rig.mail("x\r\n", recipient.c_str())).kind, LSMTPD_STORED);
  EXPECT_EQ(decoded(peer.messages().at(0)).subject().size(), MessageFields::kMostOctets);
}

struct WrongField {
  const char* key;
  const char* value;
  const char* told;
};

TEST(Message, WrongFieldsAreTold) {
  for (const WrongField& one : {
           WrongField{"priority", "10", "priority"},
           WrongField{"expiration", "50d", "expiration"},
           WrongField{"subject", "{nobody}", "nobody"},
           WrongField{"message_annotations", "partition={rcpt}", "is no name of an annotation"},
           WrongField{"message_annotations", "x-opt-a={nobody}", "x-opt-a: "},
       }) {
    Rig rig;
    rig.option("urls", "amqp://127.0.0.1:1").option("address", "mail").option(one.key, one.value);
    EXPECT_NE(rig.start(), 0) << one.key << " = " << one.value;
    EXPECT_THAT(rig.errors(), HasSubstr(one.told));
  }
}

TEST(Message, TextThatIsNoUtf8DoesNotBreakTheEncoding) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  lsmtpd_test_mail* mail = rig.mail();
  mail->envelope.helo = lsmtpd_test_str("\xff\xfehelo");
  ASSERT_EQ(rig.deliver(mail).kind, LSMTPD_STORED);
  proton::message message = decoded(peer.messages().at(0));
  EXPECT_EQ(text_property(message, "smtp_helo"), "\xEF\xBF\xBD\xEF\xBF\xBDhelo");
}

TEST(Message, Rfc822IsByteForByte) {
  std::string content;
  for (int i = 0; i < 1024; ++i) content += static_cast<char>(i & 255);
  Peer peer({});
  Rig rig;
  rig.option("format", "rfc822").attach(peer);
  ASSERT_EQ(rig.deliver(rig.mail(content)).kind, LSMTPD_STORED);
  EXPECT_EQ(body_of(peer.messages().at(0)), content);
  EXPECT_EQ(decoded(peer.messages().at(0)).content_type(), "message/rfc822");
}

TEST(Message, AttachesWithDurabilityAndCapability) {
  Peer peer({});
  Rig rig;
  rig.option("container_id", "me").attach(peer);
  const Attached attached = peer.attached().at(0);
  EXPECT_EQ(attached.address, "mail");
  EXPECT_EQ(attached.durability, 1);
  EXPECT_THAT(attached.capabilities, HasSubstr("queue"));
  EXPECT_EQ(attached.hostname, "127.0.0.1");
  EXPECT_EQ(attached.container, "me");
}

TEST(Message, VirtualHostIsApartFromTheAddress) {
  Peer peer({});
  Rig rig;
  rig.option("vhost", "orders").attach(peer);
  EXPECT_EQ(peer.attached().at(0).hostname, "vhost:orders");
}

struct LargeCase {
  const char* name;
  std::size_t size;
  bool spilled;
  const char* format;
  std::uint32_t max_frame = 0;
};

class Large : public testing::TestWithParam<LargeCase> {};

TEST_P(Large, ArrivesWhole) {
  const LargeCase& row = GetParam();
  Script script;
  script.max_frame = row.max_frame;
  Peer peer(script);
  Rig rig;
  rig.option("format", row.format).attach(peer);
  const std::string content = patterned(row.size);
  lsmtpd_test_mail* mail = rig.mail(content);
  if (row.spilled) lsmtpd_test_mail_spill(mail);
  ASSERT_EQ(rig.deliver(mail).kind, LSMTPD_STORED);
  ASSERT_EQ(rig.deliver(rig.mail("small\r\n")).kind, LSMTPD_STORED);
  const std::string body = body_of(peer.messages().at(0));
  if (std::string(row.format) == "rfc822") {
    EXPECT_TRUE(body == content);
  } else {
    EXPECT_GT(body.size(), content.size());
    EXPECT_TRUE(body.ends_with("}"));
  }
  EXPECT_EQ(rig.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(Sizes, Large,
                         testing::Values(LargeCase{"just_above_small", 64 * 1024 + 1, false,
                                                   "rfc822"},
                                         LargeCase{"megabytes_in_memory", 5 << 20, false, "rfc822"},
                                         LargeCase{"megabytes_in_a_file", 5 << 20, true, "rfc822"},
                                         LargeCase{"small_in_a_file", 100, true, "rfc822"},
                                         LargeCase{"json_in_a_file", 3 << 20, true, "json"},
                                         LargeCase{"json_in_memory", 3 << 20, false, "json"},
                                         LargeCase{"small_frames", 1 << 20, false, "rfc822", 4096}),
                         [](const auto& row) { return row.param.name; });

TEST(Large, WorksWithAPoolOfThreads) {
  Peer peer({});
  Rig rig;
  rig.option("format", "rfc822").attach(peer);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 8; ++i) {
    lsmtpd_test_mail* mail = rig.mail(patterned(400000 + static_cast<std::size_t>(i)));
    lsmtpd_test_mail_spill(mail);
    calls.push_back(rig.send(mail));
  }
  for (const lsmtpd_call call : calls) EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Large, SmallOnesOvertakeWhileItIsMeasured) {
  Peer peer({});
  Rig rig;
  rig.option("format", "rfc822").attach(peer);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_HELD;
  const lsmtpd_call large = rig.send(rig.mail(patterned(1 << 20)));
  EXPECT_EQ(rig.deliver(rig.mail("small\r\n")).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.answer(large), nullptr);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_TURN;
  EXPECT_EQ(rig.wait(large).kind, LSMTPD_STORED);
}

TEST(Large, ContentThatCannotBeReadIsNotSent) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  lsmtpd_test_mail* mail = rig.mail(patterned(200000));
  lsmtpd_test_mail_spill(mail);
  rig.raw()->reads_to_fail = -1;
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(peer.messages().empty());
}

TEST(Large, ALinkLostInTheMiddleIsAnsweredOnce) {
  // Held, so that the peer does not answer "accepted" if the whole message arrives before the link
  // breaks.
  Script script;
  script.answer = [](std::size_t, const std::string&) { return Answer{Answer::hold, {}, {}}; };
  Peer peer(script);
  Rig rig;
  rig.option("format", "rfc822").attach(peer);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_HELD;
  const lsmtpd_call call = rig.send(rig.mail(patterned(2 << 20)));
  rig.turn();
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_TURN;
  ASSERT_TRUE(rig.until([&] {
    rig.raw()->offload =
        peer.partial_bytes() > 0 ? LSMTPD_TEST_OFFLOAD_HELD : LSMTPD_TEST_OFFLOAD_TURN;
    return peer.partial_bytes() > 0;
  }));
  peer.drop();
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Size, AboveTheLinkLimitIsRefusedBeforeItIsSent) {
  Script script;
  script.max_message_size = 20000;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_admission admission = rig.admission();
  EXPECT_GT(admission.max_message_size, 10000U);
  EXPECT_LT(admission.max_message_size, 20000U);
  const auto& verdict = rig.deliver(rig.mail(std::string(25000, 'x')));
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 552U);
  EXPECT_THAT(verdict.enhanced, StrEq("5.3.4"));
  EXPECT_EQ(rig.deliver(rig.mail(std::string(9000, '\n'))).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.deliver(rig.mail(std::string(11000, '\n'))).code, 552U) << "JSON doubles it";
  EXPECT_EQ(rig.deliver(rig.mail(std::string(100000, 'x'))).code, 552U);
  EXPECT_EQ(peer.messages().size(), 1U);
}

TEST(Split, SplitGivesEachRecipientACopyWithItsOwnId) {
  Peer peer({});
  Rig rig;
  rig.option("split", "recipient").attach(peer);
  ASSERT_EQ(rig.deliver(rig.mail("x\r\n", "a@x.org b@y.org a@x.org")).kind, LSMTPD_STORED);
  std::vector<std::string> copies;
  for (const std::string& bytes : peer.messages()) {
    proton::message message = decoded(bytes);
    copies.push_back(text_property(message, "smtp_rcpt_to") + " " +
                     text_property(message, "_AMQ_DUPL_ID").substr(36));
  }
  EXPECT_THAT(copies, UnorderedElementsAre("a@x.org .0", "b@y.org .1", "a@x.org .2"));
}

std::vector<std::string> message_ids(const Peer& peer) {
  std::vector<std::string> ids;
  for (const std::string& bytes : peer.messages())
    ids.push_back(proton::get<std::string>(decoded(bytes).id()));
  return ids;
}

// A broker that detects duplicates by the message-id would drop all copies but the first.
TEST(Split, TheMessageIdIsTheCopysOwn) {
  const struct {
    const char* option;
    bool same;
  } rows[] = {{nullptr, false}, {"copy", false}, {"message", true}};
  for (const auto& row : rows) {
    Peer peer({});
    Rig rig;
    if (row.option != nullptr) rig.option("message_id", row.option);
    rig.option("split", "recipient").attach(peer);
    ASSERT_EQ(rig.deliver(rig.mail("x\r\n", "a@x.org b@y.org")).kind, LSMTPD_STORED);
    const auto ids = message_ids(peer);
    ASSERT_EQ(ids.size(), 2U);
    EXPECT_EQ(ids[0] == ids[1], row.same);
    EXPECT_EQ(ids[0].size(), row.same ? 36U : 38U);
  }
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  ASSERT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(message_ids(peer).at(0).size(), 36U) << "nothing is split here";
}

TEST(Split, CopiesAreReservedBeforeTheyAreMade) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "{rcpt_domain}").option("links", "4");
  rig.option("split", "recipient");
  ASSERT_EQ(rig.start(), 0);
  std::string recipients;
  for (int i = 0; i < 1000; ++i) recipients += "someone@d" + std::to_string(i % 4) + ".example ";
  lsmtpd_test_mail* mail = rig.mail("x\r\n", recipients.c_str());
  (void)rig.send(rig.mail("x\r\n", "a@d0.example b@d1.example c@d2.example d@d3.example"));
  rig.turn();
  const std::size_t before = ::mallinfo2().uordblks;
  const auto reserved_before = rig.raw()->memory_used;
  const lsmtpd_call call = rig.send(mail);
  rig.turn();
  ASSERT_EQ(rig.answer(call), nullptr);
  const auto reserved = static_cast<std::size_t>(rig.raw()->memory_used - reserved_before);
  EXPECT_LE(::mallinfo2().uordblks - before, reserved);
  lsmtpd_test_memory_limit(rig.raw(), rig.raw()->memory_used + 500000);
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", recipients.c_str())).kind, LSMTPD_TEMPFAIL);
  lsmtpd_test_memory_limit(rig.raw(), -1);
}

TEST(Split, CopiesCountAgainstTheQueue) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.option("split", "recipient").option("queue", "3").attach(peer);
  (void)rig.send(rig.mail("x\r\n", "a@x.org b@x.org"));
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "a@x.org b@x.org")).kind, LSMTPD_TEMPFAIL);
}

TEST(Message, RecipientsAboveThePropertyLimitAreLeftToTheBody) {
  std::string recipients;
  for (int i = 0; i < 200; ++i) recipients += "someone" + std::to_string(i) + "@example.org ";
  recipients.pop_back();
  for (const char* format : {"json", "rfc822"}) {
    Peer peer({});
    Rig rig;
    rig.option("property_limit", "1KiB").option("format", format).attach(peer);
    ASSERT_EQ(rig.deliver(rig.mail("x\r\n", recipients.c_str())).kind, LSMTPD_STORED);
    proton::message message = decoded(peer.messages().at(0));
    EXPECT_EQ(proton::get<std::int32_t>(message.properties().get("smtp_rcpt_count")), 200);
    const bool json = std::string(format) == "json";
    EXPECT_EQ(message.properties().exists("smtp_rcpt_to"), !json);
    if (json) {
      EXPECT_THAT(body_of(peer.messages().at(0)), testing::HasSubstr("someone199@example.org"));
    } else {
      EXPECT_LE(text_property(message, "smtp_rcpt_to").size(), 1024U);
    }
  }
}

TEST(Split, AnAddressByDomainMakesALinkForEach) {
  Peer peer({});
  Rig rig;
  rig.option("urls", peer.url()).option("address", "in.{rcpt_domain}");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_EQ(rig.deliver(rig.mail("x\r\n", "a@X.org b@y.org c@x.org")).kind, LSMTPD_STORED);
  std::vector<std::string> copies;
  for (const std::string& bytes : peer.messages()) {
    proton::message message = decoded(bytes);
    copies.push_back(message.to() + " " + text_property(message, "smtp_rcpt_to"));
  }
  EXPECT_THAT(copies, UnorderedElementsAre("in.x.org a@X.org,c@x.org", "in.y.org b@y.org"));
}

TEST(Split, RecipientsAreAnsweredOneByOneAndKeepTheirIds) {
  Script script;
  script.answer = [](std::size_t, const std::string& bytes) {
    proton::message message = decoded(bytes);
    return Answer{
        text_property(message, "smtp_rcpt_to") == "b@y.org" ? Answer::release : Answer::accept, "",
        ""};
  };
  Peer peer(script);
  Rig rig;
  rig.option("split", "recipient").attach(peer);
  lsmtpd_test_mail* mail = rig.mail("x\r\n", "a@x.org b@y.org c@z.org");
  const lsmtpd_test_verdict& verdict = rig.deliver(mail);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  ASSERT_EQ(verdict.recipient_count, 3U);
  EXPECT_EQ(verdict.recipients[0].kind, LSMTPD_STORED);
  EXPECT_EQ(verdict.recipients[1].kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.recipients[2].kind, LSMTPD_STORED);

  // The host replays the recipient that is left, with its number.
  lsmtpd_test_mail* again = rig.mail("x\r\n", "b@y.org");
  again->recipients[0].number = 1;
  again->envelope.recipient_total = 3;
  peer.change([](Script& change) { change.answer = nullptr; });
  EXPECT_EQ(rig.wait(rig.send(again, LSMTPD_DELIVERY_REPLAY)).kind, LSMTPD_STORED);
  ASSERT_EQ(peer.messages().size(), 4U);
  proton::message last = decoded(peer.messages().at(3));
  EXPECT_EQ(text_property(last, "smtp_rcpt_to"), "b@y.org");
  EXPECT_EQ(text_property(last, "_AMQ_DUPL_ID").substr(36), ".1");
}

TEST(Split, AnAddressThatIsRefusedLeavesTheOthersAlone) {
  Peer peer({});
  Rig rig;
  rig.option("urls", peer.url()).option("address", "in.{rcpt_domain}").option("links", "2");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "a@x.org")).kind, LSMTPD_STORED);
  peer.change([](Script& change) {
    change.refuse_attach = "amqp:not-found";
    change.end_session = true;
  });
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "a@bad.org")).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "a@x.org")).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.admission().ready, 1U);
  peer.change([](Script& change) { change.refuse_attach.clear(); });
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "a@third.org")).kind, LSMTPD_STORED)
      << "an idle link made room";
  EXPECT_EQ(rig.finish(), "");
}

}  // namespace
}  // namespace lsmtpd::amqp::test
