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
  EXPECT_TRUE(waiting.text.starts_with("one  waiting  2023-11-14T22:13:20Z  ")) << waiting.text;
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
