// SPDX-License-Identifier: Apache-2.0
// What a start finds in segments that are torn, damaged or not lsmtpd's own.
#include "journal_fixture.hpp"

namespace lsmtpd::journal::testing {
namespace {

using JournalDamageTest = JournalTest;

TEST_F(JournalDamageTest, ASegmentOfANewerVersionStopsTheStart) {
  open();
  EXPECT_EQ(store("one", "x"), 0);
  journal_.reset();
  std::string block(kBlock, '\0');
  write_segment_header({256 * 1024, 9, 9}, block.data());
  for (const std::uint32_t place : {0u, kHeaderCopy}) {
    block[place + 8] = 2;
    const std::uint32_t crc = crc32c(std::string_view(block).substr(place, 60));
    for (int i = 0; i < 4; ++i) block[place + 60 + i] = static_cast<char>(crc >> 8 * i);
  }
  overwrite(names(".segment").front(), 0, block);
  const auto opened = Journal::open(*files_, directory_, settings_, events_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("newer"), std::string::npos);
}

TEST_F(JournalDamageTest, DamageIsToldOnceAndTheRestIsServed) {
  open();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(store("id-" + std::to_string(i), "text"), 0);
  const std::uint32_t position = find("id-2")->place.position;
  journal_.reset();
  overwrite(names(".segment").front(), position, std::string(kRecordHeader, 'x'));
  open();
  EXPECT_EQ(events_.damages(), std::vector<std::string>{std::to_string(position)});
  EXPECT_EQ(read("id-2"), "-");
  EXPECT_EQ(read("id-3"), "text");
  EXPECT_EQ(journal_->flush(), 0);
  reopen();
  EXPECT_EQ(events_.damages().size(), 1u);
}

TEST_F(JournalDamageTest, ATornEndIsNoDamageAndIsNotServed) {
  open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(store("id-" + std::to_string(i), "text"), 0);
  const std::uint32_t position = find("id-2")->place.position;
  journal_.reset();
  overwrite(names(".segment").front(), position + kRecordHeader + 18, "TORN");
  open();
  EXPECT_TRUE(events_.damages().empty());
  EXPECT_EQ(read("id-2"), "-");
  EXPECT_EQ(read("id-1"), "text");
  reopen();
  EXPECT_TRUE(events_.damages().empty());
  EXPECT_EQ(read("id-2"), "-");
}

TEST_F(JournalDamageTest, ARecordThatIsDamagedLaterIsPutAside) {
  open();
  EXPECT_EQ(store("one", "text"), 0);
  const Copy copy = *find("one");
  overwrite(names(".segment").front(), copy.place.position + kRecordHeader + 16, "ROT");
  EXPECT_EQ(read("one"), "?");
  journal_->quarantine(copy);
  EXPECT_EQ(events_.damages().size(), 1u);
  EXPECT_EQ(read("one"), "-");
}

TEST_F(JournalDamageTest, ASegmentWithoutAHeaderIsPutAside) {
  open();
  EXPECT_EQ(store("one", "x"), 0);
  journal_.reset();
  overwrite(names(".segment").front(), 0, std::string(kBlock, 'x'));
  open();
  EXPECT_EQ(events_.segments().size(), 1u);
  EXPECT_EQ(names(".damaged").size(), 1u);
  EXPECT_EQ(store("two", "y"), 0);
}

TEST_F(JournalDamageTest, ASegmentThatWasNotCompletedIsRemoved) {
  for (const char* name : {"0000000000000007.segment", "0000000000000008.new"})
    ASSERT_EQ(::close(::open((root_ / "journal" / name).c_str(), O_CREAT | O_WRONLY, 0600)), 0);
  open();
  EXPECT_TRUE(names(".segment").empty());
  EXPECT_TRUE(names(".new").empty());
  EXPECT_EQ(store("one", "x"), 0);
}

}  // namespace
}  // namespace lsmtpd::journal::testing
