// SPDX-License-Identifier: Apache-2.0
// A plugin's additions to a message count against the memory budget as long as they live.
#include "plugin/view.hpp"

#include <gtest/gtest.h>

#include "plugin/verdict.hpp"
#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

using test::content_of;
using test::PluginHost;

class ViewTest : public testing::Test {
 protected:
  ViewTest() : mail_(host_.mail()), before_(host_.resources.memory.used()) {}

  View* open(const message::Message& message) {
    return View::make(message, View::Rights::edit, host_.loop, host_.resources);
  }
  uint64_t more() const { return host_.resources.memory.used() - before_; }
  static message::Message close(View* view, bool keep = true) {
    message::Message message = view->close(keep).value_or(message::Message());
    view->release();
    return message;
  }
  static bool prepend(View* view, const std::string& fields) {
    return View::kEditsTable.prepend_header(view->edits_abi(), str(fields)) == 0;
  }
  static bool annotate(View* view, const std::string& key, const std::string& value) {
    return kAnnotationsTable.set(view->annotation_edits().abi(), str(key), str(value)) == 0;
  }
  static bool add(View* view, const std::string& address) {
    return View::kEditsTable.add_recipient(view->edits_abi(), str(address), str("NOTIFY=NEVER")) ==
           0;
  }
  static bool remove(View* view, uint64_t index) {
    return View::kEditsTable.remove_recipient(view->edits_abi(), index) == 0;
  }

  PluginHost host_;
  message::Message mail_;
  const uint64_t before_;
};

TEST_F(ViewTest, PrependedFieldsAreCountedUntilTheMessageIsGone) {
  View* view = open(mail_);
  ASSERT_TRUE(prepend(view, "X-A: " + std::string(10'000, 'a') + "\r\n"));
  ASSERT_TRUE(prepend(view, "X-B: " + std::string(10'000, 'b') + "\r\n"));
  EXPECT_GE(more(), 20'000u);
  std::optional<message::Message> edited = close(view);
  EXPECT_GE(more(), 20'000u);
  // The next filter's fields are put before a copy of them.
  View* next = open(*edited);
  ASSERT_TRUE(prepend(next, "X-C: c\r\n"));
  EXPECT_GE(more(), 40'000u);
  edited = close(next);
  EXPECT_EQ(content_of(*edited).substr(0, 13), "X-C: c\r\nX-B: ");
  EXPECT_LT(more(), 21'000u) << "the first filter's are gone with the view of the second";
  edited.reset();
  EXPECT_EQ(more(), 0u);
}

TEST_F(ViewTest, ContentWithABareCrOrLfIsNotTakenUnlessTheMailIsBinary) {
  using Pieces = std::vector<const char*>;
  const auto commit = [&](const Pieces& pieces) {
    View* view = open(mail_);
    for (const char* piece : pieces)
      EXPECT_EQ(View::kEditsTable.body_append(view->edits_abi(), str(piece)), 0);
    const bool taken = View::kEditsTable.body_commit(view->edits_abi()) == 0;
    close(view);
    return taken;
  };
  for (const Pieces& clean :
       {Pieces{"a\r\nb\r\n"}, Pieces{"a\r", "\nb"}, Pieces{"a", "\r\n", "\r", "\n"}})
    EXPECT_TRUE(commit(clean)) << clean[0];
  for (const Pieces& bare : {Pieces{"a\nb\r\n"}, Pieces{"a\rb"}, Pieces{"a\r", "b\r\n"},
                             Pieces{"a\r"}, Pieces{"a", "\n"}, Pieces{"\r\r\n"}})
    EXPECT_FALSE(commit(bare)) << bare[0];
  message::Envelope binary = *mail_.envelope;
  binary.parameters = "SIZE=9 body=BinaryMime";
  mail_.envelope = std::make_shared<const message::Envelope>(binary);
  EXPECT_TRUE(commit({"a\nb\rc"}));
}

TEST_F(ViewTest, EditsCountAgainstTheLargestSizeOfAMessage) {
  host_.resources.message_size = 100'000;
  View* view = open(mail_);
  const std::string part(50'000, 'x');
  EXPECT_EQ(View::kEditsTable.body_append(view->edits_abi(), str(part)), 0);
  EXPECT_EQ(View::kEditsTable.body_append(view->edits_abi(), str(part)), 0);
  EXPECT_EQ(View::kEditsTable.body_append(view->edits_abi(), str("x")), -1);
  EXPECT_TRUE(prepend(view, "X-A: " + std::string(60'000, 'a') + "\r\n"));
  EXPECT_FALSE(prepend(view, "X-B: " + std::string(60'000, 'b') + "\r\n"));
  close(view);
}

TEST_F(ViewTest, OnlyMailboxesAreAddedAsRecipients) {
  View* view = open(mail_);
  for (const char* address :
       {"a@example.org", "\"a b\"@example.org", "a@[127.0.0.1]", "\xc3\xb6@example.org"})
    EXPECT_TRUE(add(view, address)) << address;
  for (const char* address :
       {"", "a b@example.org", "<a@example.org>", "a@", "@example.org:a@example.net", "a@b> X=Y"})
    EXPECT_FALSE(add(view, address)) << address;
  close(view);
}

TEST_F(ViewTest, OnlyWholeHeaderFieldsArePrepended) {
  View* view = open(mail_);
  for (const char* fields : {"A: b\r\n", "A:\r\n", "A: b\r\n\tc\r\nD: e: f\r\n", "A: \xc3\xb6\r\n"})
    EXPECT_TRUE(prepend(view, fields)) << fields;
  for (const std::string fields :
       {"", "\r\n", "A: b", "A: b\n", "A: b\r\n\r\n", "A: b\r\nc\r\n", " A: b\r\n", ": b\r\n",
        "A : b\r\n", "\xc3\xb6: b\r\n", "A: b\nC: d\r\n", "A: b\rC: d\r\n", "A: b\r\n\rx\r\n"})
    EXPECT_FALSE(prepend(view, fields)) << fields;
  EXPECT_FALSE(prepend(view, std::string("A: \0\r\n", 6)));
  close(view);
}

TEST_F(ViewTest, AnnotationsAreCountedAndThoseThatAreReplacedAreNot) {
  View* view = open(mail_);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(annotate(view, "a.key", std::string(10'000, 'x')));
  EXPECT_GE(more(), 10'000u);
  EXPECT_LT(more(), 20'000u);
  ASSERT_TRUE(annotate(view, "a.key", ""));
  EXPECT_EQ(more(), 0u);
  ASSERT_TRUE(annotate(view, "a.other", std::string(5'000, 'y')));
  std::optional<message::Message> edited = close(view);
  EXPECT_GE(more(), 5'000u);
  EXPECT_EQ(edited->annotations->size(), 1u);
  edited.reset();
  EXPECT_EQ(more(), 0u);
}

TEST_F(ViewTest, AnnotationsShowThroughTheHandleAndEndWithTheCall) {
  View* view = open(mail_);
  ASSERT_TRUE(annotate(view, "a.key", "value"));
  view->pin();
  EXPECT_EQ(plugin::view(kAnnotationsTable.find(view->annotation_edits().abi(), str("a.key"))),
            "value");
  const auto edited = close(view);
  EXPECT_EQ(edited.annotations->at("a.key"), "value");
  EXPECT_FALSE(annotate(view, "a.key", "later"));
  EXPECT_EQ(plugin::view(kAnnotationsTable.get(view->abi(), str("a.key"))), "")
      << "the view is as it came";
  view->unpin();
}

TEST_F(ViewTest, AnEnvelopeThatIsEditedIsCountedAsTheCopyThatItIs) {
  std::vector<std::string> to;
  for (int i = 0; i < 1000; ++i) to.push_back("recipient" + std::to_string(i) + "@example.org");
  const auto large = host_.mail("x\r\n", to);
  View* view = open(large);
  const uint64_t unedited = more();
  ASSERT_TRUE(remove(view, 0));
  EXPECT_GE(more() - unedited, 1000 * sizeof(message::Recipient));
  ASSERT_TRUE(add(view, "more@example.org"));
  std::optional<message::Message> edited = close(view);
  EXPECT_EQ(edited->envelope->recipients.size(), 1000u);
  EXPECT_GE(more() - unedited, 1000 * sizeof(message::Recipient));
  edited.reset();
  EXPECT_EQ(more(), unedited);
}

TEST_F(ViewTest, HeaderFieldsAreFoundAndEditedByNumber) {
  const auto& table = View::kHeaderTable;
  const auto mail =
      host_.mail("Subject: one\r\n two\r\nX-A: 1\r\nnot a field\r\nx-a: 2\r\n\r\nbody\r\n");
  const uint64_t before = host_.resources.memory.used();
  View* view = open(mail);
  EXPECT_EQ(table.remove(view->edits_abi(), 0), -1) << "count() comes first";
  ASSERT_EQ(table.count(view->abi()), 4);
  EXPECT_EQ(table.find(view->abi(), str("x-A"), 0), 1);
  EXPECT_EQ(table.find(view->abi(), str("X-A"), 2), 3);
  EXPECT_EQ(table.find(view->abi(), str("X-B"), 0), -1);
  lsmtpd_header_field field{};
  field.size = sizeof field;
  ASSERT_EQ(table.at(view->abi(), 0, &field), 1u);
  EXPECT_EQ(plugin::view(field.name), "Subject");
  EXPECT_EQ(plugin::view(field.value), "one\r\n two");
  ASSERT_EQ(table.at(view->abi(), 2, &field), 1u);
  EXPECT_EQ(plugin::view(field.name), "");
  EXPECT_EQ(table.at(view->abi(), 4, &field), 0u);
  EXPECT_EQ(table.change(view->edits_abi(), 1, str("X-A: 5\r\nX-B: 6\r\n")), -1) << "two fields";
  EXPECT_EQ(table.change(view->edits_abi(), 1, str("X-A: 5\r\n")), 0);
  EXPECT_EQ(table.remove(view->edits_abi(), 2), 0);
  EXPECT_EQ(table.insert(view->edits_abi(), 0, str("X-First: 1\r\n")), 0);
  EXPECT_EQ(table.insert(view->edits_abi(), 4, str("X-Last: 1\r\n")), 0);
  EXPECT_EQ(table.insert(view->edits_abi(), 5, str("X-Last: 1\r\n")), -1);
  ASSERT_TRUE(prepend(view, "X-Top: 1\r\n"));
  std::optional<message::Message> edited = close(view);
  const std::string content =
      "X-Top: 1\r\nX-First: 1\r\nSubject: one\r\n two\r\nX-A: 5\r\nx-a: 2\r\nX-Last: 1\r\n"
      "\r\nbody\r\n";
  EXPECT_EQ(content_of(*edited), content);
  // Once more, over the prefix that is there now.
  view = open(*edited);
  ASSERT_EQ(table.count(view->abi()), 6);
  EXPECT_EQ(table.remove(view->edits_abi(), 0), 0);
  edited = close(view);
  EXPECT_EQ(content_of(*edited), content.substr(10));
  edited.reset();
  EXPECT_EQ(host_.resources.memory.used(), before);
}

TEST_F(ViewTest, TheReversePathIsSetAndChecked) {
  View* view = open(mail_);
  const auto set = [&](const char* path) {
    return View::kEditsTable.set_reverse_path(view->edits_abi(), str(path)) == 0;
  };
  EXPECT_FALSE(set("a b@example.org") || set("<a@example.org>") || set("a\r\n@example.org"));
  EXPECT_TRUE(set("bounces@example.org"));
  EXPECT_TRUE(set(""));
  EXPECT_EQ(close(view).envelope->reverse_path, "");
}

TEST_F(ViewTest, AnOutputHasNoHandleForEdits) {
  View* view = View::make(mail_, View::Rights::annotate, host_.loop, host_.resources);
  EXPECT_EQ(view->edits_abi(), nullptr);
  close(view);
}

TEST_F(ViewTest, MemoryOfDroppedEditsIsReleased) {
  View* view = open(mail_);
  ASSERT_TRUE(prepend(view, "X-A: a\r\n"));
  ASSERT_TRUE(annotate(view, "a.key", "value"));
  ASSERT_TRUE(add(view, "more@example.org"));
  EXPECT_GT(more(), 0u);
  close(view, false);
  EXPECT_EQ(more(), 0u);
}

TEST_F(ViewTest, EditsWithoutMemoryAreRefusedAndChangeNothing) {
  View* view = open(mail_);
  ASSERT_TRUE(annotate(view, "a.key", "value"));
  const uint64_t rest = host_.resources.memory.limit() - host_.resources.memory.used();
  ASSERT_TRUE(host_.resources.memory.reserve(rest));
  EXPECT_FALSE(prepend(view, "X-A: a\r\n"));
  EXPECT_FALSE(annotate(view, "a.key", "a longer value"));
  EXPECT_FALSE(annotate(view, "a.other", "value"));
  EXPECT_FALSE(add(view, "more@example.org"));
  EXPECT_FALSE(remove(view, 0));
  EXPECT_TRUE(annotate(view, "a.key", "short")) << "less than there was";
  host_.resources.memory.release(rest);
  const auto edited = close(view);
  EXPECT_EQ(content_of(edited), content_of(mail_));
  EXPECT_EQ(*edited.annotations, (message::Annotations{{"a.key", "short"}}));
  EXPECT_EQ(edited.envelope, mail_.envelope);
}

}  // namespace
}  // namespace lsmtpd::plugin
