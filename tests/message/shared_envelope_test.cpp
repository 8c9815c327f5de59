// SPDX-License-Identifier: Apache-2.0
#include "message/shared_envelope.hpp"

#include <gtest/gtest.h>

#include "counted_new.hpp"

namespace lsmtpd::message {
namespace {

TEST(SharedEnvelope, IsNotCopiedWhereNobodySharesIt) {
  SharedEnvelope envelope;
  const Envelope* before = &*envelope;
  envelope.change().helo = "client.example.org";
  envelope.share().reset();
  envelope.change().id = "id";
  EXPECT_EQ(&*envelope, before);
}

TEST(SharedEnvelope, WhoSharesItKeepsItAsItWas) {
  SharedEnvelope envelope;
  envelope.change().recipients = {{"a@example.org", {}}};
  const auto shared = envelope.share();
  envelope.change().recipients.clear();
  EXPECT_EQ(shared->recipients.size(), 1u);
  EXPECT_TRUE(envelope->recipients.empty());
}

TEST(SharedEnvelope, AnEndedTransactionIsNotCopiedWhereAnotherKeepsIt) {
  SharedEnvelope envelope;
  envelope.change().helo = "client.example.org";
  envelope.change().session = 7;
  const std::vector<Recipient> recipients(1000, {std::string(60, 'r') + "@example.org", {}});
  envelope.change().recipients = recipients;
  const auto shared = envelope.share();
  const size_t before = test::allocated;
  envelope.forget_transaction();
  EXPECT_LT(test::allocated - before, 4096u);  // 0 where nothing is counted
  EXPECT_EQ(shared->recipients.size(), 1000u);
  EXPECT_TRUE(envelope->recipients.empty());
  EXPECT_EQ(envelope->helo, "client.example.org");
  EXPECT_EQ(envelope->session, 7u);
}

TEST(SharedEnvelope, AnEndedTransactionLetsItsMemoryGo) {
  SharedEnvelope envelope;
  envelope.change().id = std::string(100, 'x');
  envelope.change().recipients.resize(1000);
  envelope.change().helo = "client.example.org";
  envelope.forget_transaction();
  EXPECT_EQ(envelope->recipients.capacity(), 0u);
  EXPECT_TRUE(envelope->id.empty());
  EXPECT_EQ(envelope->helo, "client.example.org");
}

}  // namespace
}  // namespace lsmtpd::message
