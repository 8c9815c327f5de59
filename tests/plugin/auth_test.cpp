// SPDX-License-Identifier: Apache-2.0
// Credentials on their way to a plugin, and its answers back.
#include <gtest/gtest.h>

#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

class AuthTest : public testing::Test {
 protected:
  Verdict verify(Lane& lane, const char* user, const char* password) {
    std::optional<Completion> answer;
    test::on_loop(host_.loop, [&] {
      CallId call = 0;
      answer = lane.verify(
          {.mechanism = LSMTPD_AUTH_PLAIN,
           .session = 1,
           .authorization = {},
           .user = user,
           .password = password,
           .envelope = std::make_shared<const message::Envelope>(envelope_),
           .deadline_ms = 1000},
          [&](Completion later) { answer = std::move(later); }, call);
    });
    EXPECT_TRUE(host_.run_until([&] { return answer.has_value(); }));
    return answer->verdict;
  }

  message::Envelope envelope_;
  test::PluginHost host_;
};

TEST_F(AuthTest, AnswersComeBack) {
  Lane& lane = host_.lane("users", "test_auth");
  EXPECT_EQ(lane.mechanisms(), LSMTPD_AUTH_PLAIN | LSMTPD_AUTH_LOGIN);
  EXPECT_EQ(verify(lane, "user", "right").kind, Kind::accept);
  EXPECT_EQ(verify(lane, "user", "alias").detail, "canonical");
  const Verdict wrong = verify(lane, "user", "wrong");
  EXPECT_EQ(wrong.kind, Kind::reject);
  EXPECT_FALSE(wrong.unknown_user);
  EXPECT_TRUE(verify(lane, "nobody", "wrong").unknown_user);
  EXPECT_EQ(verify(lane, "user", "later").reason(), "no users now");
}

TEST_F(AuthTest, AnAnswerMayComeLater) {
  Lane& lane = host_.lane("users", "test_auth", {{"delay", "5ms"}});
  EXPECT_EQ(verify(lane, "user", "right").kind, Kind::accept);
}

TEST_F(AuthTest, AnAnswerThatMakesNoSenseIsLogged) {
  Lane& lane = host_.lane("users", "test_auth");
  verify(lane, "user", "nonsense");
  EXPECT_TRUE(host_.logged("CONTINUE or STORED for credentials"));
}

TEST_F(AuthTest, OtherPluginsCheckNothing) {
  Lane& lane = host_.lane("who", "session_filter");
  EXPECT_EQ(lane.mechanisms(), 0u);
  EXPECT_EQ(lane.instance().auth(), nullptr);
}

}  // namespace
}  // namespace lsmtpd::plugin
