// SPDX-License-Identifier: Apache-2.0
// Connections on streams in memory: what the log says of them.
#include <gtest/gtest.h>

#include "connection_fixture.hpp"

namespace lsmtpd::server {
namespace {

TEST_F(ConnectionTest, TheLogShowsTheCodeThatATempfailAtConnectIsSentWith) {
  step("who", "session_filter", {{"peer", "192.0.2.1"}, {"verdict", "tempfail"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  EXPECT_EQ(client.reply().substr(0, 4), "421 ");
  EXPECT_EQ(client.reply(), "") << "the connection ends";
  EXPECT_EQ(times_logged("at=connect"), 1u);
  EXPECT_EQ(times_logged("code=421"), 1u);
  EXPECT_EQ(times_logged("code=451"), 0u);
}

TEST_F(ConnectionTest, ARefusedMessageIsInTheLogWithItsEnvelope) {
  step("out", "test_output");
  settings_.limits.message_size = 1000;
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail(std::string(998, 'x') + "\r\n" + "more\r\n").substr(0, 9), "552 5.3.4");
  EXPECT_TRUE(eventually([&] {
    return host_.logged("refused at=data id=") &&
           host_.logged(" from=a@example.org to=b@example.org size=1006 peer=192.0.2.1:") &&
           host_.logged(" helo=client.example listener=mx code=552 ");
  }));
  EXPECT_EQ(client.ask("MAIL FROM:<big@example.org> SIZE=1001").substr(0, 9), "552 5.3.4");
  EXPECT_TRUE(eventually([&] { return host_.logged(" from=big@example.org "); }));
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
}

constexpr const char* kTraceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string mail_with(const std::string& traceparent) {
  return "traceparent: " + traceparent + "\r\n\r\nhello\r\n";
}

TEST_F(ConnectionTest, AMessageHasNoTraceparentWhereTheListenerGivesNone) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail(mail_with(kTraceparent)).substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return host_.logged("accepted id="); }));
  EXPECT_EQ(times_logged("traceparent"), 0u);
}

TEST_F(ConnectionTest, AMessageKeepsTheTraceparentOfATrustedClientOnly) {
  auto& listener = settings_.listeners[0];
  listener.traceparent = listener.smtp.traceparent = true;
  listener.traceparent_from = {*parse_network("192.0.2.0/24")};
  step("out", "test_output");
  serve();
  Client trusted(*this);
  trusted.begin();
  const std::string own = std::string(" traceparent=") + kTraceparent;
  EXPECT_EQ(trusted.mail(mail_with(kTraceparent)).substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return times_logged(own) == 1; }));
  const std::string reply = trusted.mail(mail_with(std::string(kTraceparent) + "x"));
  EXPECT_TRUE(eventually([&] { return times_logged(" traceparent=00-") == 2; })) << "not valid";
  std::string id = reply.substr(reply.rfind(' ') + 1);
  id.erase(std::remove(id.begin(), id.end(), '-'), id.end());
  EXPECT_EQ(times_logged(" traceparent=00-" + id + "-"), 1u) << "made anew, from the id";
  EXPECT_EQ(trusted.mail().substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return times_logged(" traceparent=00-") == 3; }));

  Client other(*this, std::string::npos, "198.51.100.1");
  other.begin();
  EXPECT_EQ(other.mail(mail_with(kTraceparent)).substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return times_logged(" traceparent=00-") == 4; }));
  EXPECT_EQ(times_logged(own), 1u);
}

TEST_F(ConnectionTest, ARefusalOfTheMessageIsLoggedWithItsTraceparent) {
  settings_.listeners[0].traceparent = true;
  step("out", "test_output", {{"verdict", "reject"}});
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 1), "5");
  EXPECT_TRUE(eventually([&] { return host_.logged("refused id="); }));
  EXPECT_EQ(times_logged(" traceparent=00-"), 1u);
}

TEST_F(ConnectionTest, ManyRefusalsOfOneConnectionAreOneLineWithACount) {
  settings_.listeners[0].smtp.errors = 1000;
  step("out", "test_output");
  serve();
  {
    Client client(*this);
    client.begin();
    std::string batch;
    for (int i = 0; i < 100; ++i) batch += "DATA\r\n";
    client.send(batch);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(client.reply().substr(0, 4), "503 ");
  }
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged(" refused at="), Connection::kRefusalLines);
  EXPECT_EQ(times_logged(" refused_more peer=192.0.2.1:4711 listener=mx count=80 "), 1u);
}

TEST_F(ConnectionTest, MessagesThatTheChainRefusesCountAsRefusalsInTheLog) {
  step("out", "test_output", {{"verdict", "reject"}});
  serve();
  {
    Client client(*this);
    client.begin();
    for (int i = 0; i < 30; ++i) {
      client.ask("MAIL FROM:<>");
      client.ask("RCPT TO:<a@b>");
      ASSERT_EQ(client.ask("BDAT 0 LAST").substr(0, 1), "5");
    }
  }
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged(" refused id="), Connection::kRefusalLines);
  EXPECT_EQ(times_logged(" refused_more peer=192.0.2.1:4711 listener=mx count=10 "), 1u);
}

TEST_F(ConnectionTest, ManyConnectionsOfAPeerHaveSoManyRefusalsInTheLogAMinute) {
  settings_.listeners[0].smtp.errors = 1000;
  step("out", "test_output");
  serve();
  for (int n = 0; n < 20; ++n) {
    Client client(*this);
    client.begin();
    std::string batch;
    for (int i = 0; i < 20; ++i) batch += "DATA\r\n";
    client.send(batch);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(client.reply().substr(0, 4), "503 ");
  }
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged(" refused at="), Peer::kRefusalLines);
  Client other(*this, std::string::npos, "192.0.2.2");
  other.begin();
  EXPECT_EQ(other.ask("DATA").substr(0, 4), "503 ");
  EXPECT_TRUE(host_.logged("peer=192.0.2.2:4711 ")) << "another peer has lines of its own";
}

TEST_F(ConnectionTest, ARefusalSaysWhatWasRefusedAndByWhoseLimit) {
  step("size", "bad_filter", {{"max", "5KiB"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org> SIZE=5121").substr(0, 9), "552 5.3.4");
  EXPECT_TRUE(host_.logged("refused at=mail id="));
  EXPECT_TRUE(host_.logged(" verb=MAIL argument=\"FROM:<a@example.org> SIZE=5121\" limit=size\n"));
  EXPECT_EQ(client.ask("EHLO " + std::string(300, 'x')).substr(0, 4), "501 ");
  EXPECT_TRUE(host_.logged("refused at=helo id="));
  EXPECT_EQ(client.ask("FOO bar").substr(0, 4), "500 ");
  EXPECT_TRUE(host_.logged("refused at=command id="));
}

TEST_F(ConnectionTest, AnAcceptedMessageIsFoundByItsMessageId) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail("Message-ID: <one@client.example>\r\n\r\nx\r\n").substr(0, 4), "250 ");
  EXPECT_TRUE(host_.logged(" message_id=<one@client.example> "));
}

}  // namespace
}  // namespace lsmtpd::server
