// SPDX-License-Identifier: Apache-2.0
#include "message/message.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::message {
namespace {

Message message_of(ResourceLimits& resources, std::string prefix, const std::string& text) {
  BodyWriter writer(resources);
  for (size_t at = 0; at < text.size(); at += 10) {
    EXPECT_TRUE(writer.append(std::string_view(text).substr(at, 10)));
    if (!writer.wants_flush()) continue;
    EXPECT_TRUE(writer.flush());
  }
  Message message;
  message.envelope = std::make_shared<Envelope>();
  message.body = writer.finish();
  if (!prefix.empty()) message.prefix = std::make_shared<std::string>(std::move(prefix));
  return message;
}

void expect_readable(const Message& message, const std::string& all) {
  EXPECT_EQ(message.size(), all.size());
  for (size_t at = 0; at < all.size(); ++at) {
    char buffer[25];
    const auto n = message.read(at, buffer, sizeof buffer);
    ASSERT_GT(n, 0) << at;
    ASSERT_EQ(std::string(buffer, static_cast<size_t>(n)), all.substr(at, static_cast<size_t>(n)))
        << at;
    if (!message.in_memory()) continue;
    const auto piece = message.peek(at);
    ASSERT_FALSE(piece.empty()) << at;
    ASSERT_EQ(piece, std::string_view(all).substr(at, piece.size())) << at;
  }
  char byte;
  EXPECT_EQ(message.read(all.size(), &byte, 1), 0);
  EXPECT_TRUE(message.peek(all.size()).empty());
}

const std::string kText = "Subject: x\r\n\r\n" + std::string(300, 'b') + "\r\n";

TEST(MessageTest, IsItsBodyWhereThereIsNoPrefix) {
  ResourceLimits resources(1u << 20, 1u << 20, testing::TempDir());
  expect_readable(message_of(resources, "", kText), kText);
}

TEST(MessageTest, HasThePrefixBeforeTheBody) {
  ResourceLimits resources(1u << 20, 1u << 20, testing::TempDir());
  const std::string prefix = "Received: by us\r\nX-Other: header\r\n";
  expect_readable(message_of(resources, prefix, kText), prefix + kText);
}

TEST(MessageTest, HasThePrefixBeforeASpilledBodyToo) {
  ResourceLimits resources(400, 1u << 20, testing::TempDir());
  const std::string prefix = "Received: by us\r\n";
  const auto message = message_of(resources, prefix, kText);
  EXPECT_FALSE(message.in_memory());
  EXPECT_TRUE(message.peek(0).empty()) << "nothing of a spilled message can be peeked at";
  expect_readable(message, prefix + kText);
}

TEST(MessageTest, CopiesShareTheirParts) {
  ResourceLimits resources(1u << 20, 1u << 20, testing::TempDir());
  auto message = std::make_unique<Message>(message_of(resources, "X: y\r\n", kText));
  const Message copy = *message;
  const uint64_t used = resources.memory.used();
  message.reset();
  EXPECT_EQ(resources.memory.used(), used);
  expect_readable(copy, "X: y\r\n" + kText);
}

}  // namespace
}  // namespace lsmtpd::message
