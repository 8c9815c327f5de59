// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

class CommandTest : public SpoolTest {
 protected:
  struct Printed {
    int status;
    std::string text;
  };
  Printed spool(const std::vector<const char*>& list) {
    give_options();
    const std::size_t before = host_->terminal.size;
    const int status =
        lsmtpd_test_command(host_, list.data(), static_cast<std::uint32_t>(list.size()));
    return {status, std::string(host_->terminal.data + before)};
  }
  void fill() {
    start();
    store(mail("Subject: hello\r\n\x1b[31m\r\n\r\nbody\r\n"), "one");
    store(mail("Subject: two\r\n\r\nbody\r\n"), "two", "broker");
    lsmtpd_test_dead_letter(host_, "two", "refused");
    write("quarantine/three.json", "{");
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(CommandTest, LsListsWhatWaitsOrWhatIsAskedFor) {
  fill();
  const Printed waiting = spool({"ls"});
  EXPECT_EQ(waiting.status, 0);
  EXPECT_TRUE(waiting.text.starts_with("one  waiting  20")) << waiting.text;
  EXPECT_TRUE(has(waiting.text, "<s@example.org> -> <a@example.org> +1"));
  EXPECT_FALSE(has(waiting.text, "two"));
  const Printed dead = spool({"ls", "--dead"});
  EXPECT_TRUE(has(dead.text, "two  dead")) << dead.text;
  EXPECT_TRUE(has(dead.text, "for broker  refused"));
  EXPECT_FALSE(has(dead.text, "one"));
  const Printed all = spool({"ls", "--all"});
  EXPECT_TRUE(has(all.text, "one  waiting"));
  EXPECT_TRUE(has(all.text, "two  dead"));
  EXPECT_TRUE(has(all.text, "three  quarantine  1  cannot be read: ")) << all.text;
}

TEST_F(CommandTest, LsAsJsonIsAnObjectALine) {
  fill();
  const Printed all = spool({"ls", "--all", "--json"});
  EXPECT_EQ(std::count(all.text.begin(), all.text.end(), '\n'), 3);
  EXPECT_TRUE(has(all.text, R"("state":"dead")"));
  EXPECT_TRUE(has(all.text, R"("reason":"refused")"));
}

TEST_F(CommandTest, ShowPrintsEnvelopeAndHeaderSafeForATerminal) {
  fill();
  const Printed shown = spool({"show", "one"});
  EXPECT_EQ(shown.status, 0);
  EXPECT_TRUE(has(shown.text, "to: <b@example.org>\n")) << shown.text;
  EXPECT_TRUE(has(shown.text, "Subject: hello\n\\x1b[31m\n"));
  EXPECT_FALSE(has(shown.text, "body"));
  EXPECT_TRUE(has(spool({"show", "two"}).text, "reason: refused"));
  const Printed broken = spool({"show", "three"});
  EXPECT_TRUE(has(broken.text, "cannot be read"));
  EXPECT_EQ(broken.status, 1);
}

TEST_F(CommandTest, ExportGivesTheMessageByteForByte) {
  start();
  const std::string content("Subject: x\r\n\r\n\xFF\0\x1b\r\n", 19);
  store(mail(content), "one");
  const std::string eml = (root_ / "one.eml").string();
  EXPECT_EQ(spool({"export", "one", "-o", eml.c_str()}).status, 0);
  std::ifstream file(eml, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), content);
  EXPECT_EQ(spool({"export", "one", "-o", eml.c_str()}).status, 1);
  const std::size_t before = host_->terminal.size;
  EXPECT_EQ(spool({"export", "one"}).status, 0);
  EXPECT_EQ(std::string(host_->terminal.data + before, host_->terminal.size - before), content);
}

TEST_F(CommandTest, RmRemovesWithTheReason) {
  fill();
  EXPECT_EQ(spool({"rm", "one", "two"}).status, 0);
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_EQ(files("dead"), std::vector<std::string>{});
  EXPECT_EQ(spool({"rm", "one"}).status, 1);
  EXPECT_EQ(spool({"rm", "--quarantine", "--all"}).status, 0);
  EXPECT_EQ(files("quarantine"), std::vector<std::string>{});
}

TEST_F(CommandTest, RetryPutsDeadLettersBackToBeReplayed) {
  fill();
  EXPECT_EQ(spool({"retry", "two"}).status, 0);
  EXPECT_EQ(files(), (std::vector<std::string>{"one.json", "two.json"}));
  EXPECT_EQ(files("dead"), std::vector<std::string>{});
  const auto* loaded = lsmtpd_test_load_copy(host_, "two");
  EXPECT_EQ(loaded->kind, LSMTPD_CONTINUE);
  EXPECT_STREQ(loaded->target, "broker");
  lsmtpd_test_dead_letter(host_, "two", "again");
  EXPECT_EQ(spool({"retry", "--all"}).status, 0);
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(files("quarantine").size(), 1u);
}

TEST_F(CommandTest, RetryDoesNotReplaceWhatIsThere) {
  fill();
  write("two.json", "newer");
  EXPECT_EQ(spool({"retry", "two"}).status, 1);
  EXPECT_EQ(read("two.json"), "newer");
  EXPECT_EQ(files("dead").size(), 2u);
}

TEST_F(CommandTest, TheBeginningOfAnIdIsEnoughWhereOnlyOneHasIt) {
  start();
  for (const char* id : {"abcd-1", "abcd-2", "abce-3", "abcd-1.broker"}) store(mail(), id);
  EXPECT_TRUE(has(spool({"show", "abce"}).text, "id: abce-3"));
  EXPECT_TRUE(has(spool({"show", "abcd-1"}).text, "id: abcd-1\n")) << "a whole ID is no beginning";
  const Printed several = spool({"rm", "abcd"});
  EXPECT_EQ(several.status, 1);
  EXPECT_TRUE(has(several.text, "several messages begin with abcd: ")) << several.text;
  EXPECT_EQ(spool({"rm", "abc"}).status, 1) << "too short";
  EXPECT_EQ(files().size(), 4u);
  EXPECT_EQ(spool({"rm", "abce"}).status, 0);
  EXPECT_EQ(files().size(), 3u);
}

TEST_F(CommandTest, LsShowsMessageIdAttemptsAndTheSubjectIfAsked) {
  start();
  store(mail("Message-ID: <m@x>\r\nSubject: hello\r\n\r\nbody\r\n"), "one");
  const std::string line = spool({"ls"}).text;
  EXPECT_TRUE(has(line, "  Message-ID: <m@x>\n")) << line;
  EXPECT_FALSE(has(line, "hello"));
  EXPECT_TRUE(has(spool({"ls", "--subject"}).text, "  Subject: hello\n"));
  const std::string json = spool({"ls", "--json", "--subject"}).text;
  EXPECT_TRUE(has(json, R"("attempts":0,)")) << json;
  EXPECT_TRUE(has(json, R"("message_id_field":"<m@x>","subject":"hello")"));
}

TEST_F(CommandTest, LsDecodesTheSubjectAndShowsNoControlCharacter) {
  start();
  store(mail("Subject: =?UTF-8?Q?caf=C3=A9=1B[31m=0Ax=C3?=\r\n\r\nbody\r\n"), "one");
  EXPECT_TRUE(has(spool({"ls", "--subject"}).text, "  Subject: caf\u00e9\\x1b[31m\\x0ax\\xc3\n"));
  EXPECT_TRUE(has(spool({"ls", "--json", "--subject"}).text,
                  "\"subject\":\"caf\u00e9\\u001b[31m\\nx\uFFFD\""));
}

TEST_F(CommandTest, ASelectionChoosesForEachCommand) {
  start();
  for (const char* id : {"one", "two", "three"})
    store(lsmtpd_test_mail_bytes(host_, (std::string(id) + "@example.org").c_str(), "a@example.org",
                                 "x\r\n", 3),
          id, std::string(id) == "two" ? "kafka" : "broker");
  EXPECT_TRUE(has(spool({"ls", "--from", "two@*"}).text, "two  waiting"));
  EXPECT_FALSE(has(spool({"ls", "--for", "broker"}).text, "two"));
  EXPECT_EQ(spool({"ls", "--older", "1h"}).text, "");
  EXPECT_TRUE(spool({"ls", "--limit", "1"}).text.starts_with("one  waiting")) << "the oldest";
  EXPECT_TRUE(has(spool({"rm", "--for", "kafka"}).text, "lsmtpd spool: 1 removed\n"));
  EXPECT_EQ(files(), (std::vector<std::string>{"one.json", "three.json"}));
  EXPECT_EQ(spool({"rm", "--waiting", "--all", "--limit", "1"}).status, 0);
  EXPECT_EQ(files(), std::vector<std::string>{"three.json"});
  const std::string summary = spool({"summary"}).text;
  EXPECT_TRUE(summary.starts_with("waiting: 1, ")) << summary;
}

TEST_F(CommandTest, ExportIntoAFolderGoesOnWhereItEnded) {
  start();
  store(mail("one\r\n"), "one");
  store(mail("two\r\n"), "two");
  const std::string folder = root_ / "out";
  fs::create_directory(folder);
  std::ofstream(root_ / "out" / ".two.eml.part") << "half";
  std::ofstream(root_ / "out" / "one.eml") << "one\r\n";
  const Printed printed = spool({"export", "--all", "--dir", folder.c_str()});
  EXPECT_EQ(printed.status, 0);
  EXPECT_TRUE(has(printed.text, "1 exported, 1 were there already")) << printed.text;
  std::ifstream file(root_ / "out" / "two.eml", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "two\r\n");
  EXPECT_FALSE(fs::exists(root_ / "out" / ".two.eml.part"));
}

TEST_F(CommandTest, ExportIntoAFolderWritesMoreThanABatch) {
  start();
  constexpr int kMany = 300;
  for (int i = 0; i < kMany; ++i)
    store(mail("number " + std::to_string(i) + "\r\n"), ("id-" + std::to_string(i)).c_str());
  const std::string folder = root_ / "out";
  const Printed printed = spool({"export", "--dir", folder.c_str(), "--all"});
  EXPECT_EQ(printed.status, 0) << printed.text;
  EXPECT_TRUE(has(printed.text, "300 exported")) << printed.text;
  for (int i = 0; i < kMany; ++i) {
    std::ifstream file(root_ / "out" / ("id-" + std::to_string(i) + ".eml"), std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}),
              "number " + std::to_string(i) + "\r\n");
  }
  const auto made = fs::directory_iterator(folder);
  EXPECT_EQ(std::distance(fs::begin(made), fs::end(made)), kMany) << "and no temporary file";
}

TEST_F(CommandTest, ExportIntoAFolderWritesAMessageThatIsNamedTwiceOnce) {
  start();
  store(mail("one\r\n"), "one");
  const std::string folder = root_ / "out";
  const Printed printed = spool({"export", "--dir", folder.c_str(), "one", "one"});
  EXPECT_EQ(printed.status, 0) << printed.text;
  std::ifstream file(root_ / "out" / "one.eml", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "one\r\n");
  const auto made = fs::directory_iterator(folder);
  EXPECT_EQ(std::distance(fs::begin(made), fs::end(made)), 1);
}

TEST_F(CommandTest, ImportTakesOverWhatLsmtpdLeft) {
  start();
  fs::create_directory(root_ / "old");
  std::ofstream(root_ / "old" / "own.json")
      << R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":"own",)"
         R"("client_address":"pc","recipients":["<r@example.org>"],"email_content":"hi\r\n",)"
         R"("sender":"s@example.org"})";
  std::ofstream(root_ / "old" / "torn.json") << R"({"timestamp":"2026)";
  std::ofstream(root_ / "old" / "notes.txt") << "not ours";
  const std::string old = root_ / "old";
  const Printed printed = spool({"import", old.c_str()});
  EXPECT_EQ(printed.status, 1);
  EXPECT_TRUE(has(printed.text, "torn stays where it is: ")) << printed.text;
  EXPECT_TRUE(has(printed.text, "1 imported"));
  EXPECT_EQ(files(), std::vector<std::string>{"own.json"});
  EXPECT_EQ(lsmtpd_test_load_copy(host_, "own")->kind, LSMTPD_CONTINUE);
  EXPECT_FALSE(fs::exists(root_ / "old" / "own.json"));
  EXPECT_TRUE(fs::exists(root_ / "old" / "torn.json"));
}

TEST_F(CommandTest, MoveWantsThatNoDaemonDeliversMeanwhile) {
  fill();
  const std::string other = root_ / "other";
  const Printed refused = spool({"move", "--waiting", "--all", "--to", other.c_str()});
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(has(refused.text, "--held")) << refused.text;
  EXPECT_EQ(files(), std::vector<std::string>{"one.json"});
  EXPECT_EQ(spool({"move", "--all", "--waiting", "--dead", "--to", other.c_str(), "--held"}).status,
            0);
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_TRUE(fs::exists(root_ / "other" / "one.json"));
  EXPECT_TRUE(fs::exists(root_ / "other" / "dead" / "two.reason"));
  const std::string itself = directory_;
  EXPECT_TRUE(
      has(spool({"move", "--all", "--to", itself.c_str(), "--held"}).text, "is the spool itself"));
}

TEST_F(CommandTest, TheDaemonsLogSaysWhoDidWhat) {
  fill();
  EXPECT_EQ(spool({"rm", "one"}).status, 0);
  EXPECT_EQ(spool({"retry", "two"}).status, 0);
  wait_until([&] { return logged("action=put back"); });
  EXPECT_TRUE(logged("an operator changed or exported a message action=removed id=one"))
      << lsmtpd_test_log(host_);
}

TEST_F(CommandTest, ADirectoryOfLsmtpdsOwnIsReadToo) {
  fs::create_directory(directory_);
  write(
      "own.json",
      R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":"own","client_address":)"
      R"("pc","recipients":["<r@example.org>"],"email_content":"hi\r\n","sender":"s@example.org"})");
  EXPECT_TRUE(has(spool({"ls", "--all"}).text, "own  waiting  2026-11-22T01:38:39Z"));
  EXPECT_EQ(spool({"export", "own"}).text, "hi\r\n");
  EXPECT_EQ(files(), std::vector<std::string>{"own.json"});
}

TEST_F(CommandTest, WrongUsagePrintsTheUsage) {
  const std::vector<std::vector<const char*>> wrong = {{},
                                                       {"ls", "id"},
                                                       {"ls", "--what"},
                                                       {"show"},
                                                       {"show", "../id"},
                                                       {"export"},
                                                       {"export", "a", "b"},
                                                       {"export", "a", "-o"},
                                                       {"rm"},
                                                       {"rm", "--all"},
                                                       {"rm", "--all", "id"},
                                                       {"retry"},
                                                       {"ls", "-o", "x"}};
  for (const auto& arguments : wrong) {
    const Printed printed = spool(arguments);
    EXPECT_EQ(printed.status, 2);
    EXPECT_TRUE(has(printed.text, "export ID")) << printed.text;
  }
}

TEST_F(CommandTest, MissingDirectoryIsReported) {
  const Printed printed = spool({"ls"});
  EXPECT_EQ(printed.status, 1);
  EXPECT_TRUE(has(printed.text, "cannot open the spool directory"));
  EXPECT_FALSE(fs::exists(directory_));
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
