// SPDX-License-Identifier: Apache-2.0
// Scanners, printers and old programs: what they send is served.
#include <gtest/gtest.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

TEST(OldClients, SendNoGreetingNoBracketsLowerCaseAndBlanks) {
  const auto settings = test_settings();
  const Played played = expect_script(R"(
    S: 220
    C: mail from: <a@b>
    S: 250
    C: rcpt to: c@d
    S: 250
    C: rcpt to:e@f
    S: 250
    C: RCPT TO : <g@h>  \
    S: 501
    C: RCPT TO : <g@h>
    S: 250
    C: data
    S: 354
    C: x
    C: .
    S: 250
    C: quit
    S: 221
    M: x\r\n
    X:)",
                                      settings);
  const message::Envelope& envelope = played.messages.at(0).envelope;
  EXPECT_EQ(envelope.helo, "");
  EXPECT_EQ(envelope.protocol, "SMTP");
  EXPECT_EQ(envelope.reverse_path, "a@b");
  ASSERT_EQ(envelope.recipients.size(), 3U);
  EXPECT_EQ(envelope.recipients[0].address, "c@d");
  EXPECT_EQ(envelope.recipients[1].address, "e@f");
  EXPECT_EQ(envelope.recipients[2].address, "g@h");
}

TEST(OldClients, SendBlanksAtTheEndOfALineAndOddGreetings) {
  const auto settings = test_settings();
  const Played played = expect_script(
      "S: 220\nC: HELO MY PC_1 \nS: 250\nC: MAIL FROM:<a@b> \nS: 250\nC: RCPT TO:<c@d> \nS: "
      "250\nC: DATA \nS: "
      "354\nC: .\nS: 250\nM:\nC: QUIT \nS: 221\nX:",
      settings);
  EXPECT_EQ(played.messages.at(0).envelope.helo, "MY PC_1");
  EXPECT_EQ(played.messages.at(0).envelope.parameters, "");
}

TEST(OldClients, AreServedWithBareLfWhereTheListenerSaysSo) {
  auto settings = test_settings();
  settings.normalize_bare_lf = true;
  expect_script(R"(
    S: 220
    R: HELO c\n
    S: 250
    R: MAIL FROM:<a@b>\n
    S: 250
    R: RCPT TO:<c@d>\n
    S: 250
    R: DATA\n
    S: 354
    R: Subject: x\n\n..one\n.\n.two\nthree\r\n.\r\n
    S: 250
    R: QUIT\n
    S: 221
    M: Subject: x\r\n\r\n.one\r\n\r\ntwo\r\nthree\r\n
    X:)",
                settings);
}

TEST(OldClients, AreStillRefusedABareCrThere) {
  auto settings = test_settings();
  settings.normalize_bare_lf = true;
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: a\nb\rc\n.\n\r\n.\r\n
    S: 554 5.6.0 Bare <CR>
    X:)",
                settings);
}

}  // namespace
}  // namespace lsmtpd::test
