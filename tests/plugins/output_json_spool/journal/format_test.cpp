// SPDX-License-Identifier: Apache-2.0
#include "journal/format.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::journal {
namespace {

const SegmentHeader kSegment{1 << 20, 7, 0x1122334455667788};

std::string block_of(const SegmentHeader& header) {
  std::string block(kBlock, '\0');
  write_segment_header(header, block.data());
  return block;
}

TEST(SegmentHeader, IsReadAsItWasWritten) {
  SegmentHeader read;
  EXPECT_EQ(read_segment_header(block_of(kSegment), read), SegmentKind::used);
  EXPECT_EQ(read.size, kSegment.size);
  EXPECT_EQ(read.sequence, kSegment.sequence);
  EXPECT_EQ(read.salt, kSegment.salt);
  EXPECT_EQ(read_segment_header(block_of({1 << 20, 0, 0}), read), SegmentKind::free);
}

TEST(SegmentHeader, OneWholeCopyIsEnough) {
  SegmentHeader read;
  for (const std::size_t place : {std::size_t{16}, std::size_t{kHeaderCopy} + 16}) {
    std::string block = block_of(kSegment);
    block[place] ^= 1;
    EXPECT_EQ(read_segment_header(block, read), SegmentKind::used);
    EXPECT_EQ(read.sequence, kSegment.sequence);
  }
  std::string block = block_of(kSegment);
  block[16] ^= 1;
  block[kHeaderCopy + 16] ^= 1;
  EXPECT_EQ(read_segment_header(block, read), SegmentKind::damaged);
}

// Power was cut while it was freed, or taken into use: nothing in it counts.
TEST(SegmentHeader, IsFreeWhereOneCopySaysSo) {
  const std::string free = block_of({1 << 20, 0, 0});
  SegmentHeader read;
  for (const std::size_t place : {std::size_t{0}, std::size_t{kHeaderCopy}}) {
    std::string block = block_of(kSegment);
    block.replace(place, kHeaderCopy, free, place, kHeaderCopy);
    EXPECT_EQ(read_segment_header(block, read), SegmentKind::free);
  }
}

TEST(SegmentHeader, KnowsWhatItIsNot) {
  SegmentHeader read;
  EXPECT_EQ(read_segment_header(std::string(kBlock, '\0'), read), SegmentKind::blank);
  EXPECT_EQ(read_segment_header("", read), SegmentKind::blank);
  EXPECT_EQ(read_segment_header(std::string(kBlock, 'x'), read), SegmentKind::damaged);
  EXPECT_EQ(read_segment_header(block_of({12345, 7, 1}), read), SegmentKind::damaged);
}

RecordHeader record() {
  RecordHeader header;
  header.salt = kSegment.salt;
  header.position = 8192;
  header.group_end = 12'288;
  header.durable_end = 4096;
  header.dead = true;
  header.apart = true;
  header.id_size = 3;
  header.meta_size = 100;
  header.body_crc = 0xdeadbeef;
  header.content_size = 5'000'000'000;
  header.time_ns = -5;
  header.payload_crc = 0x01020304;
  header.payload_size = 111;
  return header;
}

TEST(RecordHeader, IsReadAsItWasWritten) {
  std::string bytes(kRecordHeader, '\0');
  write_record_header(record(), bytes.data());
  const auto read = read_record_header(bytes, kSegment, 8192);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->dead);
  EXPECT_TRUE(read->apart);
  EXPECT_FALSE(read->in_doubt);
  EXPECT_EQ(read->content_size, 5'000'000'000u);
  EXPECT_EQ(read->time_ns, -5);
  EXPECT_EQ(read->end(), 8192u + 64 + 112);
}

TEST(RecordHeader, IsNoneWithAnyBitChanged) {
  std::string bytes(kRecordHeader, '\0');
  write_record_header(record(), bytes.data());
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string changed = bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ 1 << i % 8);
    EXPECT_FALSE(read_record_header(changed, kSegment, 8192)) << i;
  }
}

TEST(RecordHeader, IsNoneElsewhereOrOfAnotherUse) {
  std::string bytes(kRecordHeader, '\0');
  write_record_header(record(), bytes.data());
  EXPECT_FALSE(read_record_header(bytes, kSegment, 4096));
  SegmentHeader other = kSegment;
  other.salt ^= 1;
  EXPECT_FALSE(read_record_header(bytes, other, 8192));
  EXPECT_FALSE(read_record_header(bytes.substr(0, 63), kSegment, 8192));
}

TEST(RecordHeader, IsNoneWhereItsSizesDoNotFit) {
  const auto reads = [](const RecordHeader& header) {
    std::string bytes(kRecordHeader, '\0');
    write_record_header(header, bytes.data());
    return read_record_header(bytes, kSegment, header.position).has_value();
  };
  EXPECT_TRUE(reads(record()));
  RecordHeader one = record();
  one.payload_size = 112;
  EXPECT_FALSE(reads(one));
  one = record();
  one.group_end = one.position;
  EXPECT_FALSE(reads(one));
  one = record();
  one.durable_end = one.position + 8;
  EXPECT_FALSE(reads(one));
  one = record();
  one.kind = static_cast<Kind>(3);
  EXPECT_FALSE(reads(one));
}

TEST(RemovalBytes, AreReadAsTheyWereWritten) {
  char bytes[kRemoval];
  write_removal({0x0102030405060708, 4096, true}, bytes);
  const Removal read = read_removal(bytes);
  EXPECT_EQ(read.sequence, 0x0102030405060708u);
  EXPECT_EQ(read.position, 4096u);
  EXPECT_TRUE(read.from_here);
}

}  // namespace
}  // namespace lsmtpd::journal
