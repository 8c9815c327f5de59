// SPDX-License-Identifier: Apache-2.0
// layout = "journal": what the host sees of it.
#include "journal_layout_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

TEST_F(JournalLayoutTest, AMessageIsInTheJournalAndInNoFile) {
  start();
  const auto& verdict = store(mail("one"), "id");
  EXPECT_EQ(verdict.kind, LSMTPD_STORED);
  EXPECT_EQ(verdict.detail, directory_.string() + "/journal");
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_EQ(content("id"), "one");
  start_again();
  EXPECT_EQ(content("id"), "one");
}

TEST_F(JournalLayoutTest, AMessageComesBackAsItWas) {
  start();
  const std::string text("Subject: x\r\n\r\ncaf\xE9 \0 \"q\"\r\n", 26);
  lsmtpd_test_mail* one = mail(text);
  one->envelope.parameters = lsmtpd_test_str("BODY=8BITMIME");
  one->recipients[1].parameters = lsmtpd_test_str("NOTIFY=NEVER");
  lsmtpd_test_mail_tls(one, "TLSv1.3", "TLS_AES_256_GCM_SHA384");
  lsmtpd_test_mail_annotate(one, "headers.note", "kept");
  const lsmtpd_call call = lsmtpd_test_ask_deliver_again(host_, one, "id", "broker",
                                                         LSMTPD_DELIVERY_IN_DOUBT, 3, "lost");
  ASSERT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_STORED);
  start_again();
  const auto& loaded = load("id");
  ASSERT_EQ(loaded.kind, LSMTPD_CONTINUE);
  EXPECT_STREQ(loaded.target, "broker");
  EXPECT_STREQ(loaded.reason, "lost");
  EXPECT_EQ(loaded.attempts, 3u);
  EXPECT_EQ(loaded.in_doubt, 1u);
  const lsmtpd_test_mail& got = *loaded.mail;
  EXPECT_EQ(std::string(got.content.data, got.content.size), text);
  ASSERT_EQ(got.envelope.recipient_count, 2u);
  EXPECT_EQ(std::string(got.envelope.recipients[1].parameters.data, 12), "NOTIFY=NEVER");
  EXPECT_NE(got.envelope.tls, nullptr);
  EXPECT_STREQ(lsmtpd_test_mail_annotation(&got, "headers.note"), "kept");
}

TEST_F(JournalLayoutTest, LargeMessagesAreStoredToo) {
  start();
  const std::string text(600'000, 'x');
  EXPECT_EQ(store(mail(text), "big").kind, LSMTPD_STORED);
  start_again();
  EXPECT_EQ(content("big"), text);
  EXPECT_EQ(forget("big"), LSMTPD_STORED);
  EXPECT_EQ(content("big"), "-");
}

TEST_F(JournalLayoutTest, ListsCopiesInDoubtFirstAndThenTheOldest) {
  start();
  const auto keep = [&](const char* id, std::uint32_t flags) {
    const lsmtpd_call call =
        lsmtpd_test_ask_deliver_again(host_, mail(), id, "broker", flags, 1, "x");
    EXPECT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_STORED);
  };
  keep("z-first", 0);
  keep("a-second", 0);
  keep("m-doubt", LSMTPD_DELIVERY_IN_DOUBT);
  keep("z-first", 0);  // again: it keeps its place
  const auto* page = lsmtpd_test_list(host_, 1, 2);
  EXPECT_STREQ(page->copy_ids, "m-doubt in doubt\nz-first\n");
  EXPECT_EQ(page->waiting, 3u);
  EXPECT_EQ(page->end, 0u);
  const auto* rest = lsmtpd_test_list(host_, 0, 2);
  EXPECT_STREQ(rest->copy_ids, "a-second\n");
  EXPECT_EQ(rest->end, 1u);
}

TEST_F(JournalLayoutTest, ForgottenIsForgotten) {
  start();
  store(mail(), "id");
  EXPECT_EQ(forget("id"), LSMTPD_STORED);
  EXPECT_EQ(forget("id"), LSMTPD_STORED);
  EXPECT_EQ(load("id").kind, LSMTPD_REJECT);
  start_again();
  EXPECT_EQ(listed(), "");
}

TEST_F(JournalLayoutTest, ADeadLetterIsApartWithItsReason) {
  start();
  store(mail("text"), "id");
  EXPECT_EQ(dead_letter("id"), LSMTPD_STORED);
  EXPECT_EQ(dead_letter("gone"), LSMTPD_STORED);
  EXPECT_EQ(listed(), "");
  EXPECT_TRUE(logged("dead letters"));
  start_again();
  EXPECT_EQ(listed(), "");
  const Printed shown = spool({"show", "id"});
  EXPECT_TRUE(has(shown.text, "state: dead\nreason: refused\n")) << shown.text;
}

TEST_F(JournalLayoutTest, CountsWhatWaitsForAnOutput) {
  start();
  store(mail(), "a");
  store(mail(), "b");
  store(mail(), "c", "other");
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 100)->count, 2u);
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 1)->count, 1u);
}

TEST_F(JournalLayoutTest, CopiesOlderThanMaxAgeAreMarked) {
  option("max_age", "1h");
  start();
  store(mail(), "id");
  Faults::get().now((static_cast<std::int64_t>(::time(nullptr)) + 3700) * 1'000'000'000);
  EXPECT_EQ(listed(), "id expired\n");
}

TEST_F(JournalLayoutTest, AFailedFlushRefusesWithAnAlarmAndTheNextIsStored) {
  start();
  EXPECT_EQ(store(mail(), "before").kind, LSMTPD_STORED);
  Faults::get().fail("sync_data", 1, EIO);
  EXPECT_EQ(store(mail(), "failed").kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(logged("the disk failed"));
  EXPECT_EQ(store(mail(), "after").kind, LSMTPD_STORED);
  start_again();
  EXPECT_EQ(listed(), "before\nafter\n");
}

TEST_F(JournalLayoutTest, AFullDiskIsA452WithoutAnAlarm) {
  start();
  EXPECT_EQ(store(mail(), "before").kind, LSMTPD_STORED);
  Faults::get().fail("write_at", 1, ENOSPC);
  const auto& verdict = store(mail(), "failed");
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.code, 452u);
  EXPECT_FALSE(logged("the disk failed"));
}

TEST_F(JournalLayoutTest, NoSegmentIsMadeBelowMinFree) {
  option("min_free", "64MiB");
  Faults::get().space(FreeSpace{70 << 20, 100'000, true});
  start();
  EXPECT_EQ(lsmtpd_test_admission(host_).ready, 1u);
  EXPECT_EQ(store(mail(), "id").code, 452u) << "a segment is 16 MiB";
  Faults::get().space(std::nullopt);
  EXPECT_EQ(store(mail(), "id").kind, LSMTPD_STORED);
}

TEST_F(JournalLayoutTest, AMessageThatWouldPassMaxBytesIsRefused) {
  option("max_bytes", "3000");
  start();
  EXPECT_EQ(store(mail(std::string(2000, 'x')), "one").kind, LSMTPD_STORED);
  EXPECT_EQ(store(mail(std::string(2000, 'x')), "two").code, 452u);
  EXPECT_EQ(forget("one"), LSMTPD_STORED);
  EXPECT_EQ(store(mail(std::string(2000, 'x')), "two").kind, LSMTPD_STORED);
}

TEST_F(JournalLayoutTest, ADamagedMessageGoesToQuarantineWithALogLine) {
  start();
  store(mail("Subject: damaged"), "id");
  damage("Subject: damaged");
  EXPECT_EQ(load("id").kind, LSMTPD_REJECT);
  EXPECT_TRUE(logged("checksum"));
  ASSERT_EQ(files("quarantine").size(), 1u);
  const Printed all = spool({"ls", "--quarantine"});
  EXPECT_TRUE(has(all.text, "quarantine")) << all.text;
  EXPECT_EQ(spool({"rm", "--all", "--quarantine"}).status, 0);
  EXPECT_EQ(files("quarantine").size(), 0u);
  EXPECT_EQ(listed(), "");
}

TEST_F(JournalLayoutTest, FilesOfAnEarlierConfigurationAreServedToo) {
  start_with_files();
  store(mail("file"), "a-file");
  store(mail("older"), "both");
  start_again();
  store(mail("journal"), "b-journal");
  store(mail("newer"), "both");
  wait_until([this] { return files() == std::vector<std::string>{"a-file.json"}; });
  EXPECT_EQ(content("a-file"), "file");
  EXPECT_EQ(content("both"), "newer");
  EXPECT_TRUE(listed().starts_with("a-file\n")) << listed();
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 100)->count, 3u);
  EXPECT_TRUE(has(spool({"ls"}).text, "a-file"));
  EXPECT_EQ(dead_letter("a-file"), LSMTPD_STORED);
  EXPECT_EQ(spool({"retry", "a-file"}).status, 0);
  EXPECT_EQ(forget("a-file"), LSMTPD_STORED);
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(JournalLayoutTest, AJournalOfAnEarlierConfigurationIsServedToo) {
  start();
  store(mail("journal"), "a");
  store(mail("older"), "both");
  start_with_files();
  store(mail("newer"), "both");
  EXPECT_EQ(files(), (std::vector<std::string>{"a.json", "both.json"}));
  EXPECT_EQ(content("a"), "journal");
  EXPECT_EQ(content("both"), "newer");
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 100)->count, 2u);
  EXPECT_EQ(forget("a"), LSMTPD_STORED);
  EXPECT_EQ(listed(), "both\n");
}

TEST_F(JournalLayoutTest, ACleanStopLeavesNoSegmentWhereNoMessageIsLeft) {
  start();
  store(mail(), "kept");
  start_again();
  EXPECT_FALSE(fs::is_empty(directory_ / "journal"));
  EXPECT_EQ(forget("kept"), LSMTPD_STORED);
  store(mail(std::string(600'000, 'x')), "big");
  EXPECT_EQ(forget("big"), LSMTPD_STORED);
  close_host();
  EXPECT_TRUE(fs::is_empty(directory_ / "journal"));
  open_host();
  option("layout", "journal");
  start();
  EXPECT_EQ(listed(), "");
  store(mail("again"), "id");
  start_again();
  EXPECT_EQ(content("id"), "again");
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
