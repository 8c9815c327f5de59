// SPDX-License-Identifier: Apache-2.0
// XCLIENT on a connection: limits, session filters and the log see the client that it names.
#include <gtest/gtest.h>

#include "worker_fixture.hpp"

namespace lsmtpd::server {
namespace {

class XclientTest : public WorkerTest {
 protected:
  XclientTest() { settings_.listeners[0].xclient_from = {*parse_network("127.0.0.1")}; }
};

TEST_F(XclientTest, SessionFiltersAreAskedAgainForTheNewClient) {
  step("who", "session_filter", {{"peer", "192.0.2.66"}, {"text", "not from there"}});
  step("out", "test_output");
  serve();
  Client client(port_);
  client.begin();
  EXPECT_EQ(client.ask("XCLIENT ADDR=192.0.2.7").substr(0, 4), "220 ");
  EXPECT_TRUE(eventually([&] { return times_logged("session closed") == 1; }));
  EXPECT_EQ(client.ask("XCLIENT ADDR=192.0.2.66"), "554 5.7.1 not from there");
  EXPECT_EQ(client.reply(), "");
  EXPECT_TRUE(eventually([&] { return host_.logged("peer=192.0.2.66:0"); }));
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
}

TEST_F(XclientTest, TheClientIsInTheLogWithTheProxy) {
  step("out", "test_output");
  serve();
  Client client(port_);
  EXPECT_EQ(client.reply().substr(0, 4), "220 ");
  EXPECT_EQ(client.ask("XCLIENT ADDR=IPV6:2001:db8::7 PORT=9").substr(0, 4), "220 ");
  EXPECT_EQ(client.ask("EHLO client.example").substr(0, 4), "250 ");
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_TRUE(eventually(
      [&] { return host_.logged("peer=[2001:db8::7]:9") && host_.logged("proxy=127.0.0.1:"); }));
}

TEST_F(XclientTest, ConnectionsCountForTheNamedClient) {
  step("out", "test_output");
  serve();
  std::vector<std::unique_ptr<Client>> clients;
  const auto ask = [&](const std::string& address) {
    clients.push_back(std::make_unique<Client>(port_));
    EXPECT_EQ(clients.back()->reply().substr(0, 4), "220 ");
    return clients.back()->ask("XCLIENT ADDR=" + address);
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("192.0.2.7").substr(0, 4), "220 ");
  EXPECT_EQ(ask("192.0.2.7"), "421 4.3.2 Too many connections from your address, try again later");
  EXPECT_EQ(ask("192.0.2.8").substr(0, 4), "220 ");
  clients.clear();
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
}

TEST_F(XclientTest, PipelinedCommandsBehindItAreNoEarlyTalk) {
  settings_.listeners[0].greet_delay = 0;
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client client(port_);
  EXPECT_EQ(client.reply().substr(0, 4), "220 ");
  client.send(
      "XCLIENT ADDR=192.0.2.7\r\nEHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT "
      "TO:<c@d.example>\r\nDATA\r\n");
  for (const char* code : {"220 ", "250 ", "250 ", "250 ", "354 "}) {
    EXPECT_EQ(client.reply().substr(0, 4), code);
  }
  EXPECT_EQ(client.ask("x\r\n.").substr(0, 4), "250 ");
}

TEST_F(XclientTest, OthersGet550) {
  settings_.listeners[0].xclient_from = {*parse_network("192.0.2.0/24")};
  step("out", "test_output");
  serve();
  Client client(port_);
  client.begin();
  EXPECT_EQ(client.ask("XCLIENT ADDR=192.0.2.7"), "550 5.7.0 Not authorized to use XCLIENT");
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
}

}  // namespace
}  // namespace lsmtpd::server
