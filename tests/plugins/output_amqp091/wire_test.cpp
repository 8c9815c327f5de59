// SPDX-License-Identifier: Apache-2.0
// Frames, tables and methods on the wire.
#include "wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frame_reader.hpp"
#include "methods.hpp"

namespace lsmtpd::amqp091 {
namespace {

using testing::HasSubstr;

struct Frame {
  FrameType type;
  std::uint16_t channel;
  std::string payload;
  std::uint32_t size;
  bool operator==(const Frame&) const = default;
};

struct Collector : FrameReader::Handler {
  std::vector<Frame> frames;
  bool frame(FrameType type, std::uint16_t channel, std::string_view payload,
             std::uint32_t size) override {
    frames.push_back({type, channel, std::string(payload), size});
    return true;
  }
};

std::string several_frames() {
  std::string bytes;
  put_channel_open(&bytes, 3);
  put_heartbeat(&bytes);
  {
    FrameWriter frame(&bytes, FrameType::body, 2);
    bytes.append(300, 'x');
  }
  { FrameWriter empty(&bytes, FrameType::body, 2); }
  put_confirm_select(&bytes, 65535);
  return bytes;
}

TEST(FrameReader, GivesTheSameFramesWhereverTheOctetsAreCut) {
  const std::string bytes = several_frames();
  Collector whole;
  FrameReader(whole).feed(bytes);
  ASSERT_EQ(whole.frames.size(), 5U);
  EXPECT_EQ(whole.frames[2].size, 300U);
  EXPECT_EQ(whole.frames[2].payload, "") << "bodies are counted, not kept";
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Collector collector;
    FrameReader reader(collector);
    EXPECT_TRUE(reader.feed(bytes.substr(0, cut)));
    EXPECT_TRUE(reader.feed(bytes.substr(cut)));
    EXPECT_EQ(collector.frames, whole.frames) << cut;
    EXPECT_EQ(reader.held(), 0U);
  }
  Collector single;
  FrameReader reader(single);
  for (const char c : bytes) EXPECT_TRUE(reader.feed({&c, 1}));
  EXPECT_EQ(single.frames, whole.frames);
}

TEST(FrameReader, KeepsNoMoreThanTheLongestFrame) {
  Collector collector;
  FrameReader reader(collector);
  std::string head;
  Writer writer(&head);
  writer.octet(1);
  writer.u16(1);
  writer.u32(FrameReader::kLongestFrame + 1);
  EXPECT_FALSE(reader.feed(head + "x"));
  EXPECT_THAT(reader.error(), HasSubstr("65537"));
  EXPECT_FALSE(reader.feed("more"));
  EXPECT_EQ(reader.held(), 0U);
}

TEST(FrameReader, NamesAnotherProtocol) {
  Collector collector;
  FrameReader reader(collector);
  EXPECT_FALSE(reader.feed(std::string("AMQP\0\1\0\0", 8)));
  EXPECT_THAT(reader.error(), HasSubstr("AMQP_PROTOCOL = 1.0"));
}

TEST(Table, IsReadAsItWasWritten) {
  Table inner;
  inner.boolean("yes", true);
  Table table;
  table.text("name", "value");
  table.number("number", -7);
  table.table("inner", inner);
  std::string bytes;
  table.write(Writer(&bytes));
  Reader reader(bytes);
  const Fields fields = reader.table();
  EXPECT_TRUE(reader.good());
  EXPECT_EQ(fields.at("name"), "value");
  EXPECT_EQ(fields.at("number"), "-7");
  EXPECT_EQ(fields.at("inner.yes"), "true");
}

TEST(Table, OfAnyCutOrDepthIsReadOrRefused) {
  Table table;
  for (int i = 0; i < 20; ++i) {
    Table outer;
    outer.table("t", table);
    table = outer;
  }
  std::string bytes;
  table.write(Writer(&bytes));
  Reader deep(bytes);
  EXPECT_TRUE(deep.table().empty());
  EXPECT_FALSE(deep.good());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    Reader reader(std::string_view(bytes).substr(0, cut));
    reader.table();
    EXPECT_FALSE(reader.good()) << cut;
  }
}

TEST(Methods, AContentHeaderGivesItsHeadersBack) {
  Table headers;
  headers.text("copy_id", "id-1");
  Properties properties;
  properties.content_type = "application/json";
  properties.headers = &headers;
  properties.message_id = "id";
  properties.timestamp = 1;
  std::string bytes;
  put_content_header(&bytes, 1, 10, properties);
  const std::string_view payload =
      std::string_view(bytes).substr(kFrameHead, bytes.size() - kFrameOverhead);
  EXPECT_EQ(read_headers(Reader(payload)).at("copy_id"), "id-1");
}

}  // namespace
}  // namespace lsmtpd::amqp091
