// SPDX-License-Identifier: Apache-2.0
// A filter that misbehaves in each of the ways of tests/fixtures/README.md: one answer, the right
// one, and no harm done.
#include <gtest/gtest.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

using test::content_of;
using test::on_loop;
using test::PluginHost;
using test::Settings;
using test::turn;

const std::string kContent = "Subject: x\r\n\r\nhello\r\n";

class FilterTest : public testing::Test {
 protected:
  Completion run(const std::string& mode,
                 std::initializer_list<std::pair<const char*, std::string>> more = {}) {
    auto entry = test::plugin_entry("bad", "bad_filter", more);
    entry.options["mode"] = {{mode, {}}, {}};
    return host_.filter(host_.lane(std::move(entry)), host_.mail(kContent));
  }
  PluginHost host_;
};

TEST_F(FilterTest, SaysWhatItIsTold) {
  EXPECT_EQ(run("continue").verdict.kind, Kind::proceed);
  EXPECT_EQ(run("discard").verdict.kind, Kind::discard);
  const auto reject =
      run("reject", {{"code", "553"}, {"enhanced", "5.1.7"}, {"text", "not you"}}).verdict;
  EXPECT_EQ(reject.kind, Kind::reject);
  EXPECT_EQ(reject.code, 553);
  EXPECT_EQ(reject.enhanced, "5.1.7");
  EXPECT_EQ(reject.text, "not you");
  EXPECT_EQ(reject.detail, "bad_filter");
  EXPECT_EQ(run("tempfail", {{"code", "450"}}).verdict.code, 450);
}

TEST_F(FilterTest, MayAnswerLaterAndFromAnotherThread) {
  EXPECT_EQ(run("slow", {{"delay", "5ms"}}).verdict.kind, Kind::proceed);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(run("thread").verdict.kind, Kind::proceed);
}

TEST_F(FilterTest, TheFirstOfTwoAnswersCountsAndTheSecondIsLogged) {
  EXPECT_EQ(run("twice").verdict.kind, Kind::proceed);
  EXPECT_TRUE(host_.logged("call_not_open"));
}

TEST_F(FilterTest, ASecondAnswerMuchLaterIsIgnoredToo) {
  EXPECT_EQ(run("twice_later", {{"delay", "1ms"}}).verdict.kind, Kind::proceed);
  EXPECT_TRUE(host_.run_until([&] { return host_.logged("call_not_open"); }));
}

TEST_F(FilterTest, AnswersToCallsThatAreNotOpenAreIgnored) {
  EXPECT_EQ(run("wrong_call").verdict.kind, Kind::proceed);
  EXPECT_TRUE(host_.logged("call_not_open"));
}

TEST_F(FilterTest, EditsTakeEffectWithContinue) {
  const auto answer = run("edits");
  EXPECT_EQ(answer.verdict.kind, Kind::proceed);
  ASSERT_TRUE(answer.message);
  EXPECT_EQ(content_of(*answer.message),
            "X-Edited: second\r\nX-Edited: first\r\nSubject: replaced\r\n\r\nreplaced\r\n");
  const auto& recipients = answer.message->envelope->recipients;
  ASSERT_EQ(recipients.size(), 2u);
  EXPECT_EQ(recipients[0].address, "c@example.org");
  EXPECT_EQ(recipients[1].address, "added@example.org");
  EXPECT_EQ(recipients[1].parameters, "NOTIFY=NEVER");
  EXPECT_EQ(answer.message->annotations->at("bad_filter.note"), "edited");
}

TEST_F(FilterTest, EditsTakeNoEffectWithAnythingElse) {
  const auto answer = run("edits_then_tempfail");
  EXPECT_EQ(answer.verdict.kind, Kind::tempfail);
  EXPECT_FALSE(answer.message);
}

TEST_F(FilterTest, EditsAfterTheAnswerTakeNoEffect) {
  const auto answer = run("edits_too_late");
  EXPECT_EQ(answer.verdict.kind, Kind::proceed);
  EXPECT_FALSE(answer.message);
}

TEST_F(FilterTest, ALeakedPinDoesNoHarm) {
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler leaked_on_purpose;
#endif
  EXPECT_FALSE(run("leaks_pin").message);
}

TEST_F(FilterTest, ReadsEveryByteOnThePoolFromMemoryAndFromAFile) {
  PluginHost host(100'000);
  const std::string large(90'000, 'x');
  const auto small =
      host.filter(host.lane("bad", "bad_filter", {{"mode", "reads"}}), host.mail(kContent));
  EXPECT_EQ(small.message->annotations->at("bad_filter.bytes"), std::to_string(kContent.size()));
  const auto message = host.mail(large);
  ASSERT_FALSE(message.in_memory());
  const auto spilled = host.filter(host.lane("bad2", "bad_filter", {{"mode", "reads"}}), message);
  EXPECT_EQ(spilled.message->annotations->at("bad_filter.bytes"), "90000");
}

TEST_F(FilterTest, ExceptionsAreFailuresAndTheirTextIsLogged) {
  EXPECT_EQ(run("throws").verdict.kind, Kind::failed);
  EXPECT_TRUE(host_.logged("thrown in message"));
  EXPECT_EQ(run("throws_int").verdict.kind, Kind::failed);
  EXPECT_FALSE(host_.logged("call_not_open"))
      << "the host does not blame the plugin for its own answer";
}

TEST_F(FilterTest, AnExceptionAfterTheAnswerChangesNothing) {
  EXPECT_EQ(run("throws_after_answer").verdict.kind, Kind::proceed);
  EXPECT_TRUE(host_.logged("thrown after the answer"));
  EXPECT_FALSE(host_.logged("call_not_open"));
}

TEST_F(FilterTest, VerdictsAreMadeSafe) {
  const auto crlf = run("crlf").verdict;
  EXPECT_EQ(crlf.text, "no\n250 2.0.0 Ok\n???");
  EXPECT_EQ(run("long").verdict.text.size(), 200u);
  const auto bad_code = run("bad_code").verdict;
  EXPECT_EQ(bad_code.kind, Kind::reject);
  EXPECT_EQ(bad_code.code, 0);
  EXPECT_EQ(bad_code.enhanced, "");
  const auto bad_class = run("bad_class").verdict;
  EXPECT_EQ(bad_class.kind, Kind::tempfail);
  EXPECT_EQ(bad_class.code, 0);
  const auto bad_enhanced = run("bad_enhanced").verdict;
  EXPECT_EQ(bad_enhanced.code, 550);
  EXPECT_EQ(bad_enhanced.enhanced, "");
  EXPECT_EQ(run("unknown_kind").verdict.kind, Kind::tempfail);
  EXPECT_EQ(run("small_size").verdict.kind, Kind::proceed);
}

TEST_F(FilterTest, ExceptionsInsideTheSdkAnswerTempfail) {
  for (const char* where : {"message", "work", "done", "timer"}) {
    const auto answer =
        host_.filter(host_.lane("t", "throwing_filter", {{"where", where}}), host_.mail());
    EXPECT_EQ(answer.verdict.kind, Kind::tempfail) << where;
    EXPECT_EQ(answer.verdict.detail, "thrown on purpose") << where;
  }
  EXPECT_EQ(
      host_.filter(host_.lane("t", "throwing_filter", {{"where", "after_answer"}}), host_.mail())
          .verdict.kind,
      Kind::proceed);
}

TEST_F(FilterTest, AdmissionIsAsked) {
  auto& lane = host_.lane("bad", "bad_filter", {{"ready", "false"}, {"max", "10KiB"}});
  on_loop(host_.loop, [&] {
    const auto admission = lane.admission();
    EXPECT_FALSE(admission.ready);
    EXPECT_EQ(admission.max_message_size, 10240u);
    EXPECT_EQ(admission.reason, "bad_filter was told not to be ready");
  });
  auto& throwing = host_.lane("t", "throwing_filter", {{"where", "admission"}});
  on_loop(host_.loop, [&] { (void)throwing.admission(); });
  auto& none = host_.lane("f", "extension_filter", {{"use", "defer"}});
  on_loop(host_.loop, [&] { EXPECT_TRUE(none.admission().ready) << "who says nothing is ready"; });
}

}  // namespace
}  // namespace lsmtpd::plugin
