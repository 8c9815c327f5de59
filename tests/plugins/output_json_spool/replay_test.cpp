// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <set>

#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

class ReplayTest : public SpoolTest {
 protected:
  const lsmtpd_test_verdict& load(const char* id) { return *lsmtpd_test_load_copy(host_, id); }
  std::uint32_t forget(const char* id) { return lsmtpd_test_forget(host_, id)->kind; }
  std::uint32_t dead_letter(const char* id, const char* why) {
    return lsmtpd_test_dead_letter(host_, id, why)->kind;
  }
};

TEST_F(ReplayTest, ListsInStepsWhatWaits) {
  start();
  std::set<std::string> wanted;
  for (int i = 0; i < 25; ++i) {
    const std::string id = "id-" + std::to_string(i);
    store(mail(), id.c_str());
    wanted.insert(id);
  }
  write("no-message.txt", "x");
  std::set<std::string> got;
  std::uint32_t restart = 1;
  for (int step = 0;; ++step) {
    ASSERT_LT(step, 10);
    const auto* page = lsmtpd_test_list(host_, restart, 10);
    ASSERT_EQ(page->kind, LSMTPD_CONTINUE);
    std::istringstream lines(page->copy_ids);
    std::size_t count = 0;
    for (std::string id; std::getline(lines, id); ++count) got.insert(id);
    EXPECT_LE(count, 10u);
    if (page->end) break;
    restart = 0;
  }
  EXPECT_EQ(got, wanted);
}

// A copy that is tried again in vain is stored under its name. Until the spool is asked for its
// messages nobody knows that they wait.
TEST_F(ReplayTest, MetricsCountACopyThatIsStoredAgainOnce) {
  start();
  store(mail(), "id-1");
  store(mail(), "id-2");
  restart();
  const auto metric = [&](const char* name) { return lsmtpd_test_metric(host_, name); };
  wait_until(
      [&] { return metric("spool_messages state=stored") == 2 && metric("spool_bytes") > 0; });
  const double bytes = metric("spool_bytes");
  lsmtpd_test_list(host_, 1, 10);
  store(mail(), "id-1");
  store(mail(), "id-3");
  wait_until([&] { return metric("spool_messages state=waiting") > 2; });
  EXPECT_EQ(metric("spool_messages state=waiting"), 3);
  wait_until([&] { return metric("spool_messages state=stored") == 0; });
  EXPECT_LT(metric("spool_bytes"), 2 * bytes);
  forget("id-2");
  wait_until([&] { return metric("spool_bytes") < 1.5 * bytes; });
  EXPECT_EQ(metric("spool_messages state=waiting"), 2);
}

TEST_F(ReplayTest, CopiesInDoubtAreListedFirstAndThenTheOldest) {
  start();
  const auto keep = [&](const char* id, std::uint32_t flags) {
    EXPECT_EQ(store_again(mail(), id, flags, 3, "lost").kind, LSMTPD_STORED);
    settle();
    ::usleep(15'000);  // times of files are as coarse as the kernel's tick
  };
  keep("z-first", 0);
  keep("a-second", 0);
  keep("m-doubt", LSMTPD_DELIVERY_IN_DOUBT);
  keep("b-third", 0);
  EXPECT_STREQ(lsmtpd_test_list(host_, 1, 2)->copy_ids, "m-doubt in doubt\nz-first\n");
  const auto* rest = lsmtpd_test_list(host_, 0, 2);
  EXPECT_STREQ(rest->copy_ids, "a-second\nb-third\n");
  EXPECT_EQ(rest->end, 1u);
  const auto& doubtful = load("m-doubt");
  EXPECT_EQ(doubtful.in_doubt, 1u);
  EXPECT_EQ(doubtful.attempts, 3u);
  EXPECT_STREQ(doubtful.reason, "lost");
  EXPECT_EQ(load("z-first").in_doubt, 0u);
}

TEST_F(ReplayTest, ACopyThatIsStoredAgainKeepsItsFirstTimeAndItsPlace) {
  constexpr std::int64_t kFirst = 1'700'000'000'000'000'000;
  start();
  Faults::get().now(kFirst);
  EXPECT_EQ(store(mail(), "one").kind, LSMTPD_STORED);
  EXPECT_NE(read("one.json").find(R"("first":"2023-11-14T22:13:20.000000000+00:00")"),
            std::string::npos)
      << read("one.json");
  Faults::get().now(kFirst + 3'600'000'000'000);
  EXPECT_EQ(store_again(mail(), "one", 0, 2, "refused for now").kind, LSMTPD_STORED);
  settle();
  EXPECT_NE(read("one.json").find(R"("attempts":2,"first":"2023-11-14T22:13:20.000000000+00:00")"),
            std::string::npos)
      << read("one.json");
  struct stat status {};
  ::stat((directory_ / "one.json").c_str(), &status);
  EXPECT_EQ(status.st_mtim.tv_sec, kFirst / 1'000'000'000);
}

TEST_F(ReplayTest, CopiesOlderThanMaxAgeAreMarkedAndAllAreCounted) {
  option("max_age", "1h");
  start();
  for (const char* id : {"id-1", "id-2", "id-3"}) EXPECT_EQ(store(mail(), id).kind, LSMTPD_STORED);
  const auto* fresh = lsmtpd_test_list(host_, 1, 2);
  EXPECT_EQ(std::string(fresh->copy_ids).find("expired"), std::string::npos);
  EXPECT_EQ(fresh->waiting, 3u);
  EXPECT_EQ(lsmtpd_test_list(host_, 0, 2)->waiting, 0u) << "only from the start";
  Faults::get().now((static_cast<std::int64_t>(::time(nullptr)) + 3700) * 1'000'000'000);
  const auto* old = lsmtpd_test_list(host_, 1, 1);
  EXPECT_STREQ(old->copy_ids, "id-1 expired\n");
  EXPECT_EQ(old->waiting, 3u);
}

TEST_F(ReplayTest, RecipientsThatAreLeftKeepTheirNumbers) {
  start();
  lsmtpd_test_mail* one = mail();
  one->recipients[0].number = 3;
  one->recipients[1].number = 5;
  one->envelope.recipient_total = 7;
  ASSERT_EQ(store(one, "id", "broker").kind, LSMTPD_STORED);
  const lsmtpd_test_mail& got = *load("id").mail;
  EXPECT_EQ(got.envelope.recipient_total, 7u);
  EXPECT_EQ(got.recipients[0].number, 3u);
  EXPECT_EQ(got.recipients[1].number, 5u);
}

TEST_F(ReplayTest, GoingOnPastTheEndIsTheEnd) {
  start();
  EXPECT_EQ(lsmtpd_test_list(host_, 1, 10)->end, 1u);
  EXPECT_EQ(lsmtpd_test_list(host_, 0, 10)->end, 1u);
}

TEST_F(ReplayTest, AMessageComesBackAsItWas) {
  start();
  const std::string content("Subject: x\r\n\r\ncaf\xE9 \0 \"q\"\r\n", 26);
  lsmtpd_test_mail* one = mail(content);
  one->envelope.parameters = lsmtpd_test_str("BODY=8BITMIME");
  one->recipients[1].parameters = lsmtpd_test_str("NOTIFY=NEVER");
  lsmtpd_test_mail_tls(one, "TLSv1.3", "TLS_AES_256_GCM_SHA384");
  one->tls.server_name = lsmtpd_test_str("mx.example.org");
  lsmtpd_test_mail_annotate(one, "headers.note", "kept");
  lsmtpd_test_mail_annotate(one, "traceparent", "00-1-2-01");
  ASSERT_EQ(store(one, "id.broker", "broker").kind, LSMTPD_STORED);

  const auto& loaded = load("id.broker");
  ASSERT_EQ(loaded.kind, LSMTPD_CONTINUE);
  EXPECT_STREQ(loaded.target, "broker");
  const lsmtpd_test_mail& got = *loaded.mail;
  EXPECT_EQ(std::string(got.content.data, got.content.size), content);
  const auto text = [](lsmtpd_str str) {
    return std::string(str.data, static_cast<std::size_t>(str.size));
  };
  EXPECT_EQ(text(got.envelope.id), id_of(one));
  EXPECT_EQ(got.envelope.time_ns, one->envelope.time_ns);
  EXPECT_EQ(text(got.envelope.reverse_path), "s@example.org");
  EXPECT_EQ(text(got.envelope.parameters), "BODY=8BITMIME");
  ASSERT_EQ(got.envelope.recipient_count, 2u);
  EXPECT_EQ(text(got.envelope.recipients[1].address), "b@example.org");
  EXPECT_EQ(text(got.envelope.recipients[1].parameters), "NOTIFY=NEVER");
  EXPECT_EQ(text(got.envelope.helo), "client.example.org");
  EXPECT_EQ(text(got.envelope.peer_address), "192.0.2.1");
  EXPECT_EQ(got.envelope.peer_port, 40000u);
  EXPECT_EQ(text(got.envelope.protocol), "ESMTP");
  EXPECT_EQ(text(got.envelope.listener), "mx");
  ASSERT_NE(got.envelope.tls, nullptr);
  EXPECT_EQ(text(got.envelope.tls->version), "TLSv1.3");
  EXPECT_EQ(text(got.envelope.tls->cipher), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(text(got.envelope.tls->server_name), "mx.example.org");
  EXPECT_STREQ(lsmtpd_test_mail_annotation(&got, "headers.note"), "kept");
  EXPECT_STREQ(lsmtpd_test_mail_annotation(&got, "traceparent"), "00-1-2-01");
}

TEST_F(ReplayTest, FilesOfLsmtpdsOwnAreReadWithoutATarget) {
  start();
  write(
      "own.json",
      R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":"own","client_address":)"
      R"("pc","recipients":["<r@example.org>"],"email_content":"hi\r\n","sender":"s@example.org"})");
  const auto& loaded = load("own");
  ASSERT_EQ(loaded.kind, LSMTPD_CONTINUE);
  EXPECT_STREQ(loaded.target, "");
  EXPECT_STREQ(lsmtpd_test_mail_content(loaded.mail), "hi\r\n");
}

TEST_F(ReplayTest, CountsWhatWaitsForAnOutput) {
  start();
  store(mail(), "a");
  store(mail(), "b");
  store(mail(), "c", "other");
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 100)->count, 2u);
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 1)->count, 1u);
  EXPECT_EQ(lsmtpd_test_count(host_, "nobody", 100)->count, 0u);
}

TEST_F(ReplayTest, ForgettingTwiceSucceeds) {
  start();
  store(mail(), "id");
  EXPECT_EQ(forget("id"), LSMTPD_STORED);
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_EQ(forget("id"), LSMTPD_STORED);
  EXPECT_EQ(load("id").kind, LSMTPD_REJECT);
  EXPECT_EQ(forget("../id"), LSMTPD_STORED);
}

TEST_F(ReplayTest, DeadLetterIsKeptApartWithItsReason) {
  start();
  store(mail(), "id");
  EXPECT_EQ(dead_letter("id", "amqp:not-allowed \"x\"\n"), LSMTPD_STORED);
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  EXPECT_EQ(files("dead"), (std::vector<std::string>{"id.json", "id.reason"}));
  EXPECT_NE(read("dead/id.reason").find("amqp:not-allowed \\\"x\\\""), std::string::npos);
  EXPECT_TRUE(logged("dead letters"));
  EXPECT_EQ(dead_letter("gone", "x"), LSMTPD_STORED);
  EXPECT_EQ(files("dead").size(), 2u);
}

TEST_F(ReplayTest, FailedDeadLetterKeepsTheMessage) {
  start();
  for (const char* operation : {"open_new", "write", "sync_data", "rename"}) {
    store(mail(), "id");
    Faults::get().fail(operation, 1, EIO);
    EXPECT_EQ(dead_letter("id", "why"), LSMTPD_TEMPFAIL) << operation;
    EXPECT_EQ(files(), std::vector<std::string>{"id.json"}) << operation;
    EXPECT_EQ(files("tmp"), std::vector<std::string>{}) << operation;
    Faults::get().heal();
  }
  EXPECT_EQ(dead_letter("id", "why"), LSMTPD_STORED);
}

TEST_F(ReplayTest, RepeatedDeadLetterAfterAFailedSyncKeepsTheReason) {
  start();
  for (const int nth : {1, 2}) {  // dead/, then the messages' own directory
    const std::string id = "id-" + std::to_string(nth);
    store(mail(), id.c_str());
    Faults::get().fail("sync_directory", nth, EIO);
    EXPECT_EQ(dead_letter(id.c_str(), "first"), LSMTPD_TEMPFAIL);
    Faults::get().heal();
    EXPECT_EQ(dead_letter(id.c_str(), "again"), LSMTPD_STORED);
    EXPECT_NE(read("dead/" + id + ".reason").find("again"), std::string::npos);
    EXPECT_NE(read("dead/" + id + ".json"), "");
    EXPECT_GE(Faults::get().count("sync_directory"), nth + 2);
  }
}

TEST_F(ReplayTest, TornFilesGoToQuarantineWithALogLine) {
  start();
  store(mail(), "torn");
  const std::string whole = read("torn.json");
  int number = 0;
  for (const std::string& text :
       {std::string(), std::string(4096, '\0'), whole.substr(0, whole.size() / 2),
        whole.substr(0, whole.size() - 1), whole + "x", std::string("[]")}) {
    const std::string id = "torn-" + std::to_string(number++);
    write(id + ".json", text);
    EXPECT_EQ(load(id.c_str()).kind, LSMTPD_REJECT) << id;
    EXPECT_EQ(read("quarantine/" + id + ".json"), text);
    EXPECT_TRUE(logged(id));
  }
  EXPECT_EQ(files(), std::vector<std::string>{"torn.json"});
}

TEST_F(ReplayTest, AContentThatIsBrokenIsNotHandedOver) {
  start();
  write("bad.json",
        R"({"timestamp":"2026-11-22T01:38:39Z","message_id":"i","recipients":["<r>"],"sender":"s",)"
        R"("email_content":"good \ud800 bad"})");
  EXPECT_EQ(load("bad").kind, LSMTPD_REJECT);
  EXPECT_EQ(files("quarantine"), std::vector<std::string>{"bad.json"});
}

TEST_F(ReplayTest, LinksAndFoldersAreNotRead) {
  start();
  fs::create_symlink("/etc/passwd", directory_ / "link.json");
  fs::create_directory(directory_ / "folder.json");
  ASSERT_EQ(::mkfifo((directory_ / "pipe.json").c_str(), 0600), 0);
  for (const char* id : {"link", "folder", "pipe"}) {
    EXPECT_EQ(load(id).kind, LSMTPD_REJECT) << id;
  }
}

TEST_F(ReplayTest, UnreadableFileStaysAndIsATempfail) {
  start();
  store(mail(std::string(300'000, 'x')), "id");
  for (const char* operation : {"open_existing", "info", "read_at"}) {
    for (const int error : {EIO, ENOMEM}) {
      Faults::get().fail(operation, 1, error);
      EXPECT_EQ(load("id").kind, LSMTPD_TEMPFAIL) << operation;
    }
  }
  for (int nth = 2; nth < 6; ++nth) {  // in the midst of the content
    Faults::get().fail("read_at", nth, EIO);
    EXPECT_EQ(load("id").kind, LSMTPD_TEMPFAIL) << nth;
  }
  Faults::get().heal();
  EXPECT_TRUE(logged("cannot be read now"));
  EXPECT_EQ(files("quarantine"), std::vector<std::string>{});
  EXPECT_EQ(load("id").kind, LSMTPD_CONTINUE);
}

TEST_F(ReplayTest, ShortageIsATempfail) {
  start();
  store(mail(), "id");
  Faults::get().fail("open_existing", 1, EMFILE);
  EXPECT_EQ(load("id").kind, LSMTPD_TEMPFAIL);
  Faults::get().heal();
  host_->edits_to_fail = 1;
  EXPECT_EQ(load("id").kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(load("id").kind, LSMTPD_CONTINUE);
  Faults::get().fail("list", 1, EMFILE);
  EXPECT_EQ(lsmtpd_test_list(host_, 1, 10)->kind, LSMTPD_TEMPFAIL);
  Faults::get().fail("unlink", 1, EIO);
  EXPECT_EQ(forget("id"), LSMTPD_TEMPFAIL);
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
