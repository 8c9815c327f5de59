// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "action.hpp"
#include "reply_reader.hpp"
#include "request.hpp"
#include "service_address.hpp"
#include "transactions.hpp"

namespace lsmtpd::policy {
namespace {

using Kind = Action::Kind;
using State = ReplyReader::State;

lsmtpd_str str(std::string_view text) {
  return {text.data(), text.size()};
}

TEST(Service, IsWrittenAsInPostfix) {
  std::string problem;
  EXPECT_EQ(parse_service("unix:/run/postgrey/socket", problem)->path, "/run/postgrey/socket");
  EXPECT_EQ(parse_service("inet:policy.example.org:10023", problem)->host, "policy.example.org");
  EXPECT_EQ(parse_service("inet:127.0.0.1:10023", problem)->port, 10023);
  EXPECT_EQ(parse_service("inet:[::1]:10023", problem)->host, "::1");
}

TEST(Service, MistakesSayHowItIsWritten) {
  std::string problem;
  for (const std::string bad :
       {"", "127.0.0.1:10023", "unix:private/policy", "unix:", "inet:10023", "inet::10023",
        "inet:::1:10023", "inet:a:0", "inet:a:65536", "inet:a:1x", "tcp:a:1"}) {
    EXPECT_FALSE(parse_service(bad, problem)) << bad;
    EXPECT_FALSE(problem.empty()) << bad;
  }
  EXPECT_FALSE(parse_service("unix:/" + std::string(200, 'x'), problem));
  EXPECT_EQ(problem, "the path of a UNIX socket has at most 107 octets");
}

class Request : public testing::Test {
 protected:
  Request() {
    envelope_.size = sizeof envelope_;
    envelope_.recipients = recipients_;
    envelope_.recipient_stride = sizeof recipients_[0];
    envelope_.id = str("0f0e0d0c-0000-4000-8000-000000000001");
    envelope_.reverse_path = str("a@example.org");
    envelope_.helo = str("client.example.net");
    envelope_.protocol = str("ESMTPS");
    envelope_.peer_address = str("2001:db8::1");
    envelope_.peer_port = 4711;
    envelope_.local_address = str("192.0.2.2");
    envelope_.local_port = 25;
    envelope_.session = 7;
  }
  std::string text(uint32_t phase, uint64_t size = 0) {
    return request_text({&envelope_, phase, size, 3});
  }
  std::string value(uint32_t phase, const std::string& name) {
    const std::string all = "\n" + text(phase);
    const size_t at = all.find("\n" + name + "=");
    if (at == std::string::npos) return "(missing)";
    const size_t begin = at + name.size() + 2;
    return all.substr(begin, all.find('\n', begin) - begin);
  }

  lsmtpd_recipient recipients_[2] = {{str("b@example.com"), {}, 0, 0},
                                     {str("c@example.com"), {}, 1, 0}};
  lsmtpd_envelope envelope_{};
};

TEST_F(Request, HasTheAttributesOfPostfixAndAnEmptyLine) {
  envelope_.recipient_count = 1;
  EXPECT_EQ(text(LSMTPD_PHASE_RCPT, 1234),
            "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
            "client_address=2001:db8::1\nclient_name=unknown\nclient_port=4711\n"
            "reverse_client_name=unknown\nserver_address=192.0.2.2\nserver_port=25\n"
            "helo_name=client.example.net\nsender=a@example.org\nrecipient=b@example.com\n"
            "recipient_count=0\nqueue_id=0f0e0d0c-0000-4000-8000-000000000001\n"
            "instance=0f0e0d0c-0000-4000-8000-000000000001\nsize=1234\netrn_domain=\nstress=\n"
            "sasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\n"
            "ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\n"
            "encryption_cipher=\nencryption_keysize=0\npolicy_context=\n\n");
}

TEST_F(Request, NamesTheNewRecipientAtRcptAndCountsThemLater) {
  envelope_.recipient_count = 2;
  EXPECT_EQ(value(LSMTPD_PHASE_RCPT, "recipient"), "c@example.com");
  EXPECT_EQ(value(LSMTPD_PHASE_RCPT, "recipient_count"), "0");
  EXPECT_EQ(value(LSMTPD_PHASE_DATA, "recipient"), "");
  EXPECT_EQ(value(LSMTPD_PHASE_DATA, "recipient_count"), "2");
  EXPECT_EQ(value(kEndOfMessage, "protocol_state"), "END-OF-MESSAGE");
  envelope_.recipient_count = 1;
  EXPECT_EQ(value(LSMTPD_PHASE_DATA, "recipient"), "b@example.com");
  envelope_.recipient_count = 0;
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "recipient"), "");
}

TEST_F(Request, HasTheFactsOfTlsAndLogin) {
  lsmtpd_tls tls{};
  tls.size = sizeof tls;
  tls.version = str("TLSv1.3");
  tls.cipher = str("TLS_AES_256_GCM_SHA384");
  tls.client_subject = str("CN=client");
  tls.client_sha256 = str("0aff");
  envelope_.tls = &tls;
  lsmtpd_auth auth{};
  auth.size = sizeof auth;
  auth.user = str("ann");
  auth.mechanism = str("PLAIN");
  envelope_.auth = &auth;
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "sasl_username"), "ann");
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "sasl_method"), "PLAIN");
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "encryption_protocol"), "TLSv1.3");
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "encryption_keysize"), "256");
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "ccert_fingerprint"), "0A:FF");
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "ccert_subject"), "");  // not verified
  tls.client_verified = 1;
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "ccert_subject"), "CN=client");
  tls.cipher = str("ECDHE-RSA-AES128-GCM-SHA256");
  EXPECT_EQ(value(LSMTPD_PHASE_MAIL, "encryption_keysize"), "128");
}

TEST_F(Request, SessionWithoutAMessageHasAnInstanceToo) {
  envelope_.id = {};
  EXPECT_EQ(value(LSMTPD_PHASE_CONNECT, "instance"), "3.7");
  EXPECT_EQ(value(LSMTPD_PHASE_CONNECT, "protocol_state"), "CONNECT");
  EXPECT_EQ(value(LSMTPD_PHASE_HELO, "protocol_state"), "EHLO");
  envelope_.protocol = str("SMTP");
  EXPECT_EQ(value(LSMTPD_PHASE_HELO, "protocol_state"), "HELO");
  EXPECT_EQ(value(LSMTPD_PHASE_HELO, "protocol_name"), "SMTP");
}

TEST_F(Request, ClientCannotAddALine) {
  envelope_.helo = str("x\naction=DUNNO\r\n\nclient_address=127.0.0.1");
  const std::string all = text(LSMTPD_PHASE_MAIL);
  EXPECT_NE(all.find("helo_name=x?action=DUNNO???client_address=127.0.0.1\n"), std::string::npos);
  EXPECT_EQ(all.find("\n\n"), all.size() - 2);
}

TEST(Reply, IsCompleteAtItsEmptyLineWhereverItIsCut) {
  const std::string text = "action=450 4.7.1 Greylisted\r\nfoo=bar\n\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    ReplyReader reader;
    const State first = reader.add(text.substr(0, cut));
    if (cut < text.size()) {
      ASSERT_EQ(first, State::more) << cut;
      ASSERT_EQ(reader.add(text.substr(cut)), State::complete) << cut;
    }
    EXPECT_EQ(reader.action(), "450 4.7.1 Greylisted");
  }
}

TEST(Reply, WrongOnesAreNamed) {
  const auto problem = [](const std::string& text) {
    ReplyReader reader;
    return reader.add(text) == State::wrong ? reader.problem() : "not wrong";
  };
  EXPECT_EQ(problem("\n"), "its answer has no action");
  EXPECT_EQ(problem("foo=bar\n\n"), "its answer has no action");
  EXPECT_EQ(problem("hello\n"), "a line of its answer is no name=value");
  EXPECT_EQ(problem("=x\n"), "a line of its answer is no name=value");
  EXPECT_EQ(problem("action=OK\naction=REJECT\n"), "it answered with two actions");
  EXPECT_EQ(problem("action=OK\n\naction=REJECT\n\n"), "it sent more than one answer");
  EXPECT_EQ(problem("action=" + std::string(9000, 'x')), "its answer is longer than 8192 octets");
}

TEST(Reply, EndlessLineIsRefusedAtItsLimit) {
  ReplyReader reader;
  size_t taken = 0;
  while (reader.add(std::string(100, 'x')) == State::more) taken += 100;
  EXPECT_LE(taken, kLargestReply);
}

TEST(Action, WordsAreThoseOfPostfix) {
  const std::pair<const char*, Kind> all[] = {{"DUNNO", Kind::proceed},
                                              {"dunno", Kind::proceed},
                                              {"OK", Kind::accept},
                                              {"permit", Kind::accept},
                                              {"12345", Kind::accept},
                                              {"REJECT", Kind::reject},
                                              {"DEFER", Kind::tempfail},
                                              {"DEFER_IF_PERMIT greylisted", Kind::tempfail},
                                              {"DEFER_IF_REJECT x", Kind::proceed},
                                              {"PREPEND X-A: b", Kind::prepend},
                                              {"DISCARD x", Kind::discard},
                                              {"WARN x", Kind::note},
                                              {"INFO x", Kind::note},
                                              {"HOLD", Kind::unknown},
                                              {"REDIRECT a@b", Kind::unknown},
                                              {"FILTER smtp:x", Kind::unknown},
                                              {"reject_unknown_client", Kind::unknown},
                                              {"250 fine", Kind::unknown},
                                              {"4500 x", Kind::unknown},
                                              {"", Kind::unknown}};
  for (const auto& [text, kind] : all) EXPECT_EQ(parse_action(text).kind, kind) << text;
}

TEST(Action, CodesHaveTextAndEnhancedCode) {
  Action action = parse_action("450 4.2.0 Greylisted, see http://example.org");
  EXPECT_EQ(action.kind, Kind::tempfail);
  EXPECT_EQ(action.code, 450u);
  EXPECT_EQ(action.enhanced, "4.2.0");
  EXPECT_EQ(action.text, "Greylisted, see http://example.org");
  action = parse_action("550 no");
  EXPECT_EQ(action.kind, Kind::reject);
  EXPECT_EQ(action.code, 550u);
  EXPECT_EQ(action.enhanced, "");
  action = parse_action("REJECT 5.7.23 SPF fail");
  EXPECT_EQ(action.code, 0u);
  EXPECT_EQ(action.enhanced, "5.7.23");
  EXPECT_EQ(action.text, "SPF fail");
  EXPECT_EQ(parse_action("REJECT 4.7.1 x").text, "4.7.1 x");
}

TEST(HeaderField, IsWholeOrNothing) {
  EXPECT_EQ(header_field("X-A: b"), "X-A: b\r\n");
  EXPECT_EQ(header_field("X-A:"), "X-A:\r\n");
  for (const char* bad : {"", "no colon", ": x", "X A: b", "X\x01: b", "\xc3\xa9: b"})
    EXPECT_EQ(header_field(bad), "") << bad;
  EXPECT_EQ(header_field("X-A: b\rBcc: c"), "X-A: b?Bcc: c\r\n");
}

TEST(HeaderField, LongOneIsFoldedAtABlank) {
  std::string value = "X-Long:";
  for (int i = 0; i < 600; ++i) value += " word";
  const std::string field = header_field(value);
  std::string unfolded = field;
  for (size_t at = 0; at < field.size();) {
    const size_t end = field.find("\r\n", at);
    EXPECT_LE(end - at, 998u);
    at = end + 2;
  }
  for (size_t at; (at = unfolded.find("\r\n ")) != std::string::npos;) unfolded.erase(at, 2);
  EXPECT_EQ(unfolded, value + "\r\n");
  EXPECT_EQ(header_field("X-Long: " + std::string(2000, 'x')), "");
}

TEST(Transactions, AreBounded) {
  Transactions all;
  EXPECT_EQ(all.find(1), nullptr);
  EXPECT_TRUE(all.prepend(1, "A: 1\r\n"));
  EXPECT_TRUE(all.prepend(1, "A: 1\r\n"));
  EXPECT_EQ(all.find(1)->fields.size(), 1u);
  EXPECT_FALSE(all.prepend(1, "B: " + std::string(Transactions::kMostBytes, 'x')));
  int taken = 1;
  while (all.prepend(1, "C: " + std::to_string(taken) + "\r\n")) ++taken;
  EXPECT_EQ(taken, static_cast<int>(Transactions::kMostFields));
  all.end(1);
  EXPECT_EQ(all.size(), 0u);
}

}  // namespace
}  // namespace lsmtpd::policy
