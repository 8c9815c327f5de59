// SPDX-License-Identifier: Apache-2.0
// `lsmtpd spool` on a journal.
#include "faulty_files.hpp"
#include "journal_layout_fixture.hpp"
#include "journal_store.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

// With a daemon on the directory, and after its end.
class JournalCommandTest : public JournalLayoutTest, public ::testing::WithParamInterface<bool> {
 protected:
  void fill() {
    start();
    store(mail("Subject: hello\r\n\r\nbody\r\n"), "one");
    store(mail("Subject: two\r\n\r\nbody\r\n"), "two");
    store(mail("three"), "three");
    dead_letter("two");
    if (GetParam()) return;
    close_host();
    open_host();
    option("layout", "journal");
  }
  void look() {
    if (!GetParam()) start();
  }
};

TEST_P(JournalCommandTest, ShowsWhatIsThere) {
  fill();
  const Printed waiting = spool({"ls"});
  EXPECT_TRUE(has(waiting.text, "one  waiting")) << waiting.text;
  EXPECT_TRUE(has(waiting.text, "three  waiting"));
  EXPECT_FALSE(has(waiting.text, "two"));
  EXPECT_TRUE(has(spool({"ls", "--dead"}).text, "for broker  refused"));
  EXPECT_TRUE(has(spool({"show", "one"}).text, "Subject: hello\n"));
  EXPECT_EQ(spool({"export", "three"}).text, "three");
  const std::string summary = spool({"summary", "--all"}).text;
  EXPECT_TRUE(has(summary, "2")) << summary;
  const std::string folder = (root_ / "out").string();
  EXPECT_EQ(spool({"export", "--all", "--dir", folder.c_str()}).status, 0);
  EXPECT_TRUE(fs::exists(root_ / "out" / "one.eml"));
}

TEST_P(JournalCommandTest, RemovesAndPutsBack) {
  fill();
  EXPECT_EQ(spool({"rm", "one"}).status, 0);
  EXPECT_EQ(spool({"rm", "one"}).status, 1);
  EXPECT_EQ(spool({"retry", "two"}).status, 0);
  EXPECT_EQ(spool({"retry", "two"}).status, 1);
  look();
  EXPECT_EQ(listed(), "two\nthree\n");
  EXPECT_EQ(content("two"), "Subject: two\r\n\r\nbody\r\n");
}

TEST_P(JournalCommandTest, MoveSaysThatItTakesFilesOnly) {
  fill();
  const std::string folder = (root_ / "out").string();
  const Printed moved = spool({"move", "--all", "--to", folder.c_str(), "--held"});
  EXPECT_EQ(moved.status, 1);
  EXPECT_TRUE(has(moved.text, "move takes files only")) << moved.text;
}

// A selection and then the command ask for each message.
TEST_F(JournalLayoutTest, AMessageThatIsVisitedIsReadFromTheJournalOnce) {
  start();
  store(mail("body"), "one");
  store(mail("body"), "two");
  close_host();
  FaultyFiles files;
  const auto directory = Directory::open_for_reading(files, directory_.string());
  ASSERT_TRUE(directory) << directory.error();
  const auto journal = JournalStore::open(files, *directory, [](const char*, const auto&) {});
  ASSERT_TRUE(journal) << journal.error();
  Faults::get().reset();
  int visited = 0;
  const auto done =
      (*journal)->each({.waiting = true}, Store::Order::none, [&](const CopyKey& key) {
        for (int i = 0; i < 2; ++i)
          EXPECT_EQ((*journal)->read(key, Store::Detail::envelope)->problem, "");
        return ++visited > 0;
      });
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(visited, 2);
  EXPECT_EQ(Faults::get().count("read_at"), 2 * visited) << "a header and a payload each";
}

INSTANTIATE_TEST_SUITE_P(Spool, JournalCommandTest, ::testing::Bool());

}  // namespace
}  // namespace lsmtpd::json_spool::testing
