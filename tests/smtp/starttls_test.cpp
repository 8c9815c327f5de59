// SPDX-License-Identifier: Apache-2.0
// STARTTLS in the session (RFC 3207): where it is offered, what is forgotten, what must wait for
// it.
#include <gmock/gmock.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using testing::HasSubstr;
using testing::Not;

smtp::Settings offering(bool required = false) {
  smtp::Settings settings = test_settings();
  settings.starttls = true;
  settings.require_tls = required;
  return settings;
}

// A session of which each line's replies can be asked.
class Dialogue {
 public:
  explicit Dialogue(const smtp::Settings& settings, const Host& host = {})
      : settings_(settings), player_(settings_, host) {}
  std::string ask(const std::string& line) { return raw(line + "\r\n"); }
  std::string raw(const std::string& octets) {
    const size_t before = player_.played().replies.size();
    player_.feed(octets);
    return player_.played().replies.substr(before);
  }
  // The handshake after a 220.
  void handshake() { player_.session().begin_tls(std::make_shared<const message::Tls>()); }
  smtp::Session& session() { return player_.session(); }
  const Played& played() const { return player_.played(); }

 private:
  const smtp::Settings settings_;
  Player player_;
};

TEST(Starttls, ARefusalAtHeloHoldsAfterTheHandshake) {
  const Host host{0, [](smtp::Action action, const smtp::Session& session) {
                    const bool bad = action == smtp::Action::phase_helo &&
                                     session.envelope().helo.find("bad") != std::string::npos;
                    return bad ? std::optional(smtp::Reply{554, "5.7.1", "No"}) : std::nullopt;
                  }};
  const smtp::Settings settings = offering();
  Dialogue dialogue(settings, host);
  EXPECT_EQ(dialogue.ask("EHLO bad.example"), "554 5.7.1 No\r\n");
  EXPECT_THAT(dialogue.ask("STARTTLS"), HasSubstr("220 2.0.0"));
  dialogue.handshake();
  EXPECT_EQ(dialogue.ask("MAIL FROM:<a@b>"), "554 5.7.1 No\r\n");
  EXPECT_THAT(dialogue.ask("EHLO good.example"), HasSubstr("250 "));
  EXPECT_THAT(dialogue.ask("MAIL FROM:<a@b>"), HasSubstr("250 2.1.0"));
}

TEST(Starttls, IsAnnouncedUntilTlsIsActive) {
  Dialogue dialogue(offering());
  EXPECT_THAT(dialogue.ask("EHLO client.example"), HasSubstr("250-STARTTLS\r\n"));
  EXPECT_EQ(dialogue.ask("starttls"), "220 2.0.0 Ready to start TLS\r\n");
  dialogue.handshake();
  EXPECT_THAT(dialogue.ask("EHLO client.example"), Not(HasSubstr("STARTTLS")));
  EXPECT_EQ(dialogue.session().envelope().protocol, "ESMTPS");
  EXPECT_EQ(dialogue.ask("STARTTLS"), "503 5.5.1 TLS is active already\r\n");
}

TEST(Starttls, IsNotThereWithoutCertificates) {
  Dialogue dialogue(test_settings());
  EXPECT_THAT(dialogue.ask("EHLO client.example"), Not(HasSubstr("STARTTLS")));
  EXPECT_EQ(dialogue.ask("STARTTLS"), "502 5.5.1 Command not implemented\r\n");
}

TEST(Starttls, TakesNoArgumentAndNoPlaceInATransaction) {
  Dialogue dialogue(offering());
  dialogue.ask("EHLO client.example");
  EXPECT_EQ(dialogue.ask("STARTTLS now"), "501 5.5.4 Command takes no argument\r\n");
  dialogue.ask("MAIL FROM:<a@example.org>");
  EXPECT_THAT(dialogue.ask("STARTTLS"), HasSubstr("503 5.5.1 STARTTLS inside a transaction"));
}

TEST(Starttls, ForgetsWhatWasSaidBefore) {
  Dialogue dialogue(offering());
  dialogue.ask("EHLO client.example");
  dialogue.ask("STARTTLS");
  dialogue.handshake();
  EXPECT_EQ(dialogue.session().envelope().helo, "");
  EXPECT_EQ(dialogue.session().envelope().protocol, "");
  EXPECT_EQ(dialogue.ask("RCPT TO:<b@example.org>"), "503 5.5.1 Send MAIL first\r\n");
}

// Any commands behind it, cut at each octet: they are never executed.
TEST(Starttls, DiscardsWhatCameBehindItInTheClear) {
  const std::string injected = "MAIL FROM:<attacker@example.org>\r\nRCPT TO:<b@example.org>\r\nRS";
  for (size_t cut = 0; cut <= injected.size(); ++cut) {
    Dialogue dialogue(offering());
    dialogue.ask("EHLO client.example");
    EXPECT_EQ(dialogue.raw("STARTTLS\r\n" + injected.substr(0, cut)),
              "220 2.0.0 Ready to start TLS\r\n");
    EXPECT_EQ(dialogue.raw(injected.substr(cut)), "");
    dialogue.handshake();
    ASSERT_THAT(dialogue.ask("EHLO client.example"), testing::StartsWith("250-mx.test\r\n"));
    EXPECT_EQ(dialogue.session().envelope().reverse_path, "");
  }
}

TEST(Starttls, MayBeRequiredBeforeAllElse) {
  const std::string required = "530 5.7.0 Must issue a STARTTLS command first\r\n";
  Dialogue dialogue(offering(true));
  for (const char* line : {"HELO client.example", "MAIL FROM:<a@example.org>", "RCPT TO:<b@c.d>",
                           "DATA", "VRFY joe", "EXPN all", "AUTH PLAIN AGEAYg=="}) {
    EXPECT_EQ(dialogue.ask(line), required) << line;
  }
  EXPECT_EQ(dialogue.raw("BDAT 6 LAST\r\nQUIT\r\n"), required) << "its octets are no command";
  for (const char* line : {"NOOP", "RSET", "HELP", "EHLO client.example"}) {
    EXPECT_EQ(dialogue.ask(line)[0], '2') << line;
  }
  EXPECT_EQ(dialogue.ask("LHLO client.example").substr(0, 9), "500 5.5.1");
  EXPECT_EQ(dialogue.ask("STARTTLS").substr(0, 4), "220 ");
  dialogue.handshake();
  EXPECT_EQ(dialogue.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(dialogue.ask("QUIT").substr(0, 4), "221 ");
}

// RFC 3848, RFC 6531 4.3.
TEST(Starttls, GivesTheProtocolItsLetter) {
  Dialogue dialogue(offering());
  dialogue.ask("STARTTLS");
  dialogue.handshake();
  dialogue.ask("HELO client.example");
  EXPECT_EQ(dialogue.session().envelope().protocol, "SMTP");
  dialogue.ask("EHLO client.example");
  EXPECT_EQ(dialogue.session().envelope().protocol, "ESMTPS");
  dialogue.ask("MAIL FROM:<a@example.org> SMTPUTF8");
  EXPECT_EQ(dialogue.session().envelope().protocol, "UTF8SMTPS");
  smtp::Settings lmtp = offering();
  lmtp.lmtp = true;
  Dialogue local(lmtp);
  local.ask("STARTTLS");
  local.handshake();
  local.ask("LHLO client.example");
  EXPECT_EQ(local.session().envelope().protocol, "LMTPS");
  local.ask("MAIL FROM:<a@example.org> SMTPUTF8");
  EXPECT_EQ(local.session().envelope().protocol, "UTF8LMTPS");
}

// Where the connection began with TLS.
TEST(Starttls, IsNeitherOfferedNorNeededWithImplicitTls) {
  smtp::Settings settings = test_settings();
  smtp::Session session(settings);
  session.begin_tls(std::make_shared<const message::Tls>());
  std::string_view nothing;
  EXPECT_EQ(session.next(nothing), smtp::Action::phase_connect);
  session.proceed();
  std::string_view greeting = "EHLO client.example\r\nSTARTTLS\r\n";
  EXPECT_EQ(session.next(greeting), smtp::Action::phase_helo);
  EXPECT_EQ(session.envelope().protocol, "ESMTPS");
  session.proceed();
  EXPECT_EQ(session.next(greeting), smtp::Action::refused);
  EXPECT_THAT(session.replies(), HasSubstr("503 5.5.1 TLS is active already"));
}

// A broker cannot honour RFC 8689, so it is not announced.
TEST(Starttls, RequiretlsIsAnUnknownParameter) {
  Dialogue dialogue(offering());
  dialogue.ask("STARTTLS");
  dialogue.handshake();
  EXPECT_THAT(dialogue.ask("EHLO client.example"), Not(HasSubstr("REQUIRETLS")));
  EXPECT_EQ(dialogue.ask("MAIL FROM:<a@example.org> REQUIRETLS"),
            "555 5.5.4 Unsupported parameter\r\n");
}

}  // namespace
}  // namespace lsmtpd::test
