// SPDX-License-Identifier: Apache-2.0
// Connections of a trusted proxy over real sockets: the header first, then a session with the
// client that the header names.
#include <gtest/gtest.h>

#include "proxy_headers.hpp"
#include "worker_fixture.hpp"

namespace lsmtpd::server {
namespace {

using std::string_literals::operator""s;
using test::inet;
using test::tlv;
using test::v2;

constexpr const char* kVersion1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n";

class ProxyTest : public WorkerTest {
 protected:
  ProxyTest() {
    settings_.listeners[0].proxy_protocol_from = {*parse_network("127.0.0.0/8")};
    step("out", "test_output", {{"record", record_.file()}});
  }
};

TEST_F(ProxyTest, NothingIsSentBeforeTheHeader) {
  serve();
  Client client(port_);
  EXPECT_FALSE(client.hears(100));
  client.send(kVersion1);
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_TRUE(eventually(
      [&] { return host_.logged("peer=192.0.2.1:56324") && host_.logged("proxy=127.0.0.1:"); }));
}

TEST_F(ProxyTest, HeaderAndCommandsMayComeInOnePacket) {
  serve();
  for (const std::string& header : {std::string(kVersion1), v2(0x21, 0x11, inet())}) {
    Client client(port_);
    client.send(header + "EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n");
    for (const char* code : {"220 ", "250 ", "250 "}) {
      EXPECT_EQ(client.reply().substr(0, 4), code);
    }
  }
}

TEST_F(ProxyTest, TheHeaderMayComeOctetByOctet) {
  serve();
  Client client(port_);
  for (const char octet : v2(0x21, 0x11, inet() + tlv(0xea, "unknown"))) {
    client.send(std::string(1, octet));
  }
  client.begin();
}

TEST_F(ProxyTest, AHeaderMayBeLongerThanOneRead) {
  serve();
  Client client(port_);
  client.send(v2(0x21, 0x11, inet() + tlv(0xea, std::string(60'000, 'x'))) +
              "EHLO client.example\r\n");
  EXPECT_EQ(client.reply().substr(0, 4), "220 ");
  EXPECT_EQ(client.reply().substr(0, 4), "250 ");
}

TEST_F(ProxyTest, WithGreetDelayAClientThatTalksEarlyIsRefused) {
  settings_.listeners[0].greet_delay = 60'000;
  serve();
  Client client(port_);
  client.send(kVersion1 + "EHLO client.example\r\n"s);
  EXPECT_EQ(client.reply(), "554 5.5.0 Client talked before the banner");
}

TEST_F(ProxyTest, AnythingElseIsClosedWithOneLine) {
  serve();
  Client client(port_);
  client.send("EHLO client.example\r\n");
  EXPECT_EQ(client.reply(), "");
  EXPECT_TRUE(eventually([&] { return host_.logged("why=\"no PROXY header\""); }));
  EXPECT_EQ(times_logged("proxy_refused peer=127.0.0.1:"), 1u);
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
}

TEST_F(ProxyTest, TheHeaderHasItsTime) {
  settings_.timeouts.proxy = 200;
  serve();
  Client client(port_);
  client.send("PROXY TCP4 192.0.2.1");
  EXPECT_EQ(client.reply(), "");
  EXPECT_TRUE(eventually([&] { return host_.logged("no PROXY header within timeouts.proxy"); }));
}

TEST_F(ProxyTest, ACheckThatSendsNothingHasNoLine) {
  serve();
  {
    Client check(port_);
    check.abort();
    Client other(port_);
  }
  Client half(port_);
  half.send("PROXY");
  half.close();
  EXPECT_TRUE(eventually([&] { return host_.logged("it ended within its PROXY header"); }));
  EXPECT_EQ(times_logged(" warn proxy_refused"), 1u);
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
}

TEST_F(ProxyTest, PeersOutsideTheNetworksSpeakAtOnceAndAreNotBelieved) {
  settings_.listeners[0].proxy_protocol_from = {*parse_network("192.0.2.0/24")};
  serve();
  Client client(port_);
  client.begin();
  EXPECT_EQ(client.ask("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25"),
            "500 5.5.1 Command unrecognized");
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return host_.logged("peer=127.0.0.1:"); }));
  EXPECT_FALSE(host_.logged("peer=192.0.2.1"));
  Client second(port_);
  EXPECT_EQ(second.reply().substr(0, 4), "220 ");
  second.send(v2(0x21, 0x11, inet()));
  EXPECT_EQ(second.reply().substr(0, 4), "500 ");
}

// The proxy's own address is one, the clients are many.
TEST_F(ProxyTest, TheClientsOfTheHeaderArePeers) {
  serve();
  const auto of = [&](const std::string& address) {
    auto client = std::make_unique<Client>(port_);
    client->send("PROXY TCP4 " + address + " 198.51.100.2 1 25\r\n");
    return client;
  };
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(of("192.0.2.1"));
    clients.back()->begin();
  }
  EXPECT_EQ(of("192.0.2.1")->reply(),
            "421 4.3.2 Too many connections from your address, try again later");
  of("192.0.2.2")->begin();
}

TEST_F(ProxyTest, HealthChecksCountForNoPeer) {
  serve();
  std::vector<std::unique_ptr<Client>> checks;
  for (const std::string& header :
       {v2(0x20, 0x00, ""), v2(0x20, 0x00, ""), v2(0x20, 0x11, inet()), "PROXY UNKNOWN\r\n"s,
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n"s, "PROXY UNKNOWN\r\n"s, v2(0x20, 0x00, "")}) {
    checks.push_back(std::make_unique<Client>(port_));
    checks.back()->send(header);
    checks.back()->begin();
  }
  EXPECT_TRUE(eventually([&] { return times_logged(" debug proxy_check peer=127.") == 7; }));
  EXPECT_EQ(times_logged(" info ") + times_logged(" warn "), 0u);
}

TEST_F(ProxyTest, ConnectionsThatWaitForTheirHeaderCountAmongAll) {
  serve();
  std::vector<std::unique_ptr<Client>> waiting;
  for (int i = 0; i < 10; ++i) waiting.push_back(std::make_unique<Client>(port_));
  EXPECT_TRUE(eventually([&] { return peers_.count() == 10; }));
  Client refused(port_);
  EXPECT_EQ(refused.reply(), "421 4.3.2 Too many connections, try again later");
  waiting.front()->send(kVersion1);
  waiting.front()->begin();
  EXPECT_EQ(peers_.count(), 10u);
}

TEST_F(ProxyTest, ADrainClosesWhatWaitsForItsHeader) {
  serve();
  Client client(port_);
  EXPECT_TRUE(eventually([&] { return peers_.count() == 1; }));
  drain();
  EXPECT_EQ(client.reply(), "");
  EXPECT_EQ(peers_.count(), 0u);
}

TEST_F(ProxyTest, TlsThatTheProxyEndedShowsInTheProtocol) {
  serve();
  Client client(port_);
  client.send(v2(0x21, 0x11, inet() + tlv(0x20, "\1\0\0\0\0"s + tlv(0x21, "TLSv1.3"))));
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_TRUE(eventually([&] { return host_.logged("protocol=ESMTPS "); }));
}

}  // namespace
}  // namespace lsmtpd::server
