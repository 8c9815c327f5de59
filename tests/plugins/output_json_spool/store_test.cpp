// SPDX-License-Identifier: Apache-2.0
#include <cjson/cJSON.h>

#include <chrono>
#include <thread>

#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

using StoreTest = SpoolTest;

std::string string_of(const std::string& json, const char* key) {
  cJSON* object = cJSON_Parse(json.c_str());
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(object, key);
  std::string text = cJSON_IsString(item) ? item->valuestring : "no such string";
  cJSON_Delete(object);
  return text;
}

TEST_F(StoreTest, AMessageIsOneFileNamedByItsIdAndTheVerdictSaysWhere) {
  start();
  lsmtpd_test_mail* one = mail("Subject: x\r\n\r\nbody\r\n");
  const auto& verdict = store(one);
  EXPECT_EQ(verdict.kind, LSMTPD_STORED);
  EXPECT_EQ(verdict.detail, (directory_ / (id_of(one) + ".json")).string());
  EXPECT_EQ(files(), std::vector<std::string>{id_of(one) + ".json"});
  const std::string json = read(id_of(one) + ".json");
  EXPECT_EQ(string_of(json, "email_content"), "Subject: x\r\n\r\nbody\r\n");
  EXPECT_EQ(string_of(json, "sender"), "s@example.org");
  EXPECT_EQ(string_of(json, "message_id"), id_of(one));
  EXPECT_NE(json.find("\"lsmtpd\":{\"format\":1,"), std::string::npos);
}

TEST_F(StoreTest, StoredFileIsReadableByItsOwnerOnly) {
  start();
  lsmtpd_test_mail* one = mail();
  store(one);
  EXPECT_EQ(mode(""), 0700);
  EXPECT_EQ(mode("tmp"), 0700);
  EXPECT_EQ(mode(id_of(one) + ".json"), 0600);
}

TEST_F(StoreTest, ItIsStoredInTheJournalAndThenGetsAFileThatIsSyncedBeforeItsName) {
  start();
  store(mail());
  Faults::get().reset();
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
  std::vector<std::string> calls;
  for (const std::string& call : Faults::get().calls()) {
    const bool of_others = call == "free_space" || call == "leads_to" || call == "list" ||
                           call == "open_existing" || call == "info_in" || call == "read_at";
    if (!of_others) calls.push_back(call);
  }
  // The group of the journal, the file, and the removal from the journal.
  const std::vector<std::string> wanted = {"write_at",       "sync_data", "open_unnamed",
                                           "write",          "sync_data", "link_unnamed",
                                           "sync_directory", "info",      "write_at"};
  EXPECT_EQ(calls, wanted);
}

TEST_F(StoreTest, MetricsCountWhatIsInTheSpool) {
  start();
  write("dead/id-1.json", "x");
  store(mail());
  store(mail());
  restart();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while ((lsmtpd_test_metric(host_, "spool_messages state=stored") != 2 ||
          lsmtpd_test_metric(host_, "spool_bytes") <= 100) &&
         std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(lsmtpd_test_metric(host_, "spool_messages state=stored"), 2);
  EXPECT_EQ(lsmtpd_test_metric(host_, "spool_messages state=waiting"), 0) << "it is no fallback";
  EXPECT_EQ(lsmtpd_test_metric(host_, "spool_messages state=dead"), 1);
  EXPECT_GT(lsmtpd_test_metric(host_, "spool_bytes"), 100);
  EXPECT_EQ(lsmtpd_test_metric(host_, "spool_none"), -1);
}

TEST_F(StoreTest, WithoutExtraOnlyLsmtpdsKeysAreWritten) {
  option("extra", "false");
  start();
  lsmtpd_test_mail* one = mail();
  store(one);
  const std::string json = read(id_of(one) + ".json");
  EXPECT_EQ(json.find("peer_address"), std::string::npos);
  EXPECT_EQ(json.find("lsmtpd\":"), std::string::npos);
}

TEST_F(StoreTest, TargetIsStoredWithoutExtraKeysToo) {
  option("extra", "false");
  start();
  lsmtpd_test_mail* one = mail();
  lsmtpd_test_mail_annotate(one, "headers.note", "kept");
  store(one, "id.broker", "broker");
  const std::string json = read("id.broker.json");
  EXPECT_NE(json.find("\"target\":\"broker\""), std::string::npos);
  EXPECT_NE(json.find("\"headers.note\":\"kept\""), std::string::npos);
  EXPECT_NE(json.find("\"envelope\":{\"peer_address\":\"192.0.2.1\""), std::string::npos);
}

TEST_F(StoreTest, ASpilledMessageOfAnySizeIsStored) {
  start();
  const std::string content(3'000'000, 'x');
  lsmtpd_test_mail* one = mail(content);
  lsmtpd_test_mail_spill(one);
  EXPECT_EQ(store(one).kind, LSMTPD_STORED);
  EXPECT_EQ(string_of(read(id_of(one) + ".json"), "email_content"), content);
}

TEST_F(StoreTest, AMessageThatCannotBeReadIsNotStored) {
  start();
  lsmtpd_test_mail* one = mail();
  lsmtpd_test_mail_spill(one);
  host_->reads_to_fail = -1;
  EXPECT_EQ(store(one).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(StoreTest, StoringAgainUnderTheSameIdReplaces) {
  start();
  store(mail("first"), "same");
  EXPECT_EQ(store(mail("second"), "same").kind, LSMTPD_STORED);
  EXPECT_EQ(files(), std::vector<std::string>{"same.json"});
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  EXPECT_EQ(string_of(read("same.json"), "email_content"), "second");
}

TEST_F(StoreTest, WithoutUnnamedFilesItIsRenamedIntoPlace) {
  Faults::get().fail("open_unnamed", 0, EOPNOTSUPP);
  start();
  EXPECT_TRUE(logged("no O_TMPFILE"));
  EXPECT_EQ(store(mail("first"), "same").kind, LSMTPD_STORED);
  EXPECT_EQ(store(mail("second"), "same").kind, LSMTPD_STORED);
  EXPECT_EQ(files(), std::vector<std::string>{"same.json"});
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  EXPECT_EQ(string_of(read("same.json"), "email_content"), "second");
}

TEST_F(StoreTest, AnIdThatIsNoFileNameIsRefused) {
  start();
  for (const char* id : {"../x", ".hidden", "a/b", "a b", "", "a\nb"}) {
    EXPECT_EQ(store(mail(), id).kind, LSMTPD_TEMPFAIL) << id;
  }
  EXPECT_EQ(store(mail(), std::string(201, 'a').c_str()).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(StoreTest, ManyMessagesOfSeveralLanesShareTheirFlushes) {
  option("commit_threads", "2");
  start();
  ASSERT_EQ(lsmtpd_test_open_lane(host_), 0);
  Faults::get().reset();
  std::vector<lsmtpd_call> calls;
  for (unsigned i = 0; i < 400; ++i) {
    lsmtpd_test_use_lane(host_, i % 2);
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
  }
  for (const lsmtpd_call call : calls) {
    EXPECT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_STORED);
  }
  settle();
  EXPECT_EQ(files().size(), 400u);
  EXPECT_LT(Faults::get().count("sync_data"), 200);
  EXPECT_GE(Faults::get().count("sync_all"), 3);
  EXPECT_LT(Faults::get().count("sync_directory"), 100);
}

TEST_F(StoreTest, ALaneClosesOnlyAfterItsLastMessageIsAnswered) {
  start();
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 50; ++i) {
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
  }
  lsmtpd_test_close_lane(host_);
  for (const lsmtpd_call call : calls) {
    ASSERT_NE(lsmtpd_test_answer(host_, call), nullptr);
    EXPECT_EQ(lsmtpd_test_answer(host_, call)->kind, LSMTPD_STORED);
  }
}

TEST_F(StoreTest, ACancelledMessageIsEitherStoredOrNotThere) {
  option("commit_threads", "1");
  start();
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 300; ++i) {
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
  }
  for (const lsmtpd_call call : calls) lsmtpd_test_cancel(host_, call);
  std::size_t stored = 0;
  for (const lsmtpd_call call : calls) {
    stored += lsmtpd_test_wait(host_, call)->kind == LSMTPD_STORED ? 1 : 0;
  }
  settle();
  EXPECT_EQ(files().size(), stored);
  EXPECT_LT(stored, 300u);
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
