// SPDX-License-Identifier: Apache-2.0
// Each message and each refusal is counted once, in the series that it belongs to.
#include "server/listener_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "connection_fixture.hpp"
#include "metrics/families.hpp"

namespace lsmtpd::server {
namespace {

class ListenerMetricsTest : public ConnectionTest {
 protected:
  const metrics::SeriesValue& series(const metrics::Family& family,
                                     const std::vector<std::string>& labels) {
    all_ = registry_.snapshot();
    for (const auto& [info, series] : all_) {
      if (info.name != family.name) continue;
      for (const auto& one : series) {
        if (one.labels == labels) return one;
      }
    }
    ADD_FAILURE() << family.name << " has no such series";
    static const metrics::SeriesValue kNone{};
    return kNone;
  }
  double refusals(const char* at, const char* type, const char* reason) {
    return series(metrics::kRefusals, {"mx", at, type, reason}).value;
  }
  double messages(const char* result) {
    return series(metrics::kMessages, {"mx", "default", result}).value;
  }
  double all_refusals() {
    double sum = 0;
    for (const auto& [info, series] : registry_.snapshot()) {
      if (info.name != metrics::kRefusals.name) continue;
      for (const auto& one : series) sum += one.value;
    }
    return sum;
  }

  metrics::Snapshot all_;
};

TEST_F(ListenerMetricsTest, StoredMessageIsCountedWithItsBytesAndTimes) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(series(metrics::kConnections, {"mx"}).value, 1);
  EXPECT_EQ(client.mail("Subject: x\r\n\r\n..hello\r\n").substr(0, 4), "250 ");
  EXPECT_EQ(messages("stored"), 1);
  EXPECT_EQ(series(metrics::kReceivedBytes, {"mx"}).value, 22) << "without dot-stuffing";
  const auto& data = series(metrics::kDataDuration, {"mx"});
  EXPECT_EQ(std::count_if(data.buckets.begin(), data.buckets.end(), [](auto n) { return n == 1; }),
            1);
  EXPECT_EQ(series(metrics::kChainDuration, {"mx", "default"}).buckets.size(), 15u);
  EXPECT_EQ(all_refusals(), 0);
  client.close();
  EXPECT_TRUE(gone());
  EXPECT_EQ(series(metrics::kConnections, {"mx"}).value, 0);
}

TEST_F(ListenerMetricsTest, RefusalHasItsPhaseClassAndReason) {
  step("who", "session_filter", {{"from", "bad@example.org"}});
  step("out", "test_output", {{"reject_to", "gone@example.org"}});
  serve();
  Client client(*this);
  client.begin();
  client.ask("MAIL FROM:<bad@example.org>");
  EXPECT_EQ(refusals("mail", "5", "filter"), 1);
  client.ask("MAIL TO:<a@example.org>");
  EXPECT_EQ(refusals("mail", "5", "protocol"), 1);
  client.ask("NONSENSE");
  EXPECT_EQ(refusals("command", "5", "protocol"), 1);
  client.ask("MAIL FROM:<a@example.org> SIZE=99999999999");
  EXPECT_EQ(refusals("mail", "5", "size"), 1);
  client.ask("MAIL FROM:<a@example.org>");
  client.ask("RCPT TO:<b@-.>");
  EXPECT_EQ(refusals("rcpt", "5", "address"), 1);
  client.ask("RCPT TO:<gone@example.org>");
  client.ask("DATA");
  EXPECT_EQ(client.ask("x\r\n.").substr(0, 4), "554 ");
  EXPECT_EQ(refusals("data", "5", "output"), 1);
  EXPECT_EQ(messages("rejected"), 1);
  EXPECT_EQ(all_refusals(), 6);
}

// Each negative reply, whatever the verb and the code.
TEST_F(ListenerMetricsTest, EachRefusalIsCountedOnce) {
  settings_.listeners[0].smtp.errors = 1000;
  settings_.listeners[0].smtp.recipients = 2;
  settings_.limits.message_size = 1000;
  step("who", "session_filter",
       {{"from", "later@example.org"}, {"rcpt", "gone@example.org"}, {"verdict", "tempfail"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  double before = 0;
  const auto refused = [&](const std::string& line, const char* code) {
    EXPECT_EQ(client.ask(line).substr(0, 3), code) << line.substr(0, 40);
    const double now = all_refusals();
    EXPECT_EQ(now, before + 1) << line.substr(0, 40);
    before = now;
  };
  for (const char* line : {"RCPT TO:<a@b>", "DATA", "BDAT 3 LAST\r\nx"}) refused(line, "503");
  for (const char* line : {"HELO", "MAIL TO:<a@b>", "NOOP \x01", "LHLO x"}) {
    EXPECT_EQ(client.ask(line).front(), '5') << line;
    EXPECT_EQ(all_refusals(), ++before) << line;
  }
  for (const char* line : {"STARTTLS", "EXPN x", "AUTH PLAIN"}) refused(line, "502");
  refused(std::string(5000, 'x'), "500");
  refused("XCLIENT ADDR=192.0.2.9", "550");
  refused("MAIL FROM:<a@example.org> SIZE=99999999999", "552");
  refused("MAIL FROM:<a@example.org> X=Y", "555");
  refused("MAIL FROM:<later@example.org>", "451");
  client.ask("MAIL FROM:<a@example.org>");
  refused("MAIL FROM:<a@example.org>", "503");
  refused("DATA", "503");
  refused("RCPT TO:<gone@example.org>", "451");
  client.ask("RCPT TO:<b@example.org>");
  client.ask("RCPT TO:<b@example.org>");
  refused("RCPT TO:<c@example.org>", "452");
  refused("BDAT 1502\r\n" + std::string(1500, 'x'), "552");
  refused("BDAT 3\r\nx", "503");
  refused("DATA", "503");
  refused("BDAT 3 LAST\r\nx", "503");
}

class MailMetricsTest : public ListenerMetricsTest {
 protected:
  // A session whose MAIL is being checked.
  void begin(Client& client) {
    client.begin();
    client.send("MAIL FROM:<slow@example.org>\r\n");
    EXPECT_TRUE(eventually([&] { return host_.logged("thinking"); }));
  }
  void serve_slowly() {
    step("who", "session_filter",
         {{"from", "slow@example.org"}, {"verdict", "proceed"}, {"delay", "300ms"}});
    step("out", "test_output");
    serve();
  }
};

TEST_F(MailMetricsTest, NothingCanStoreIt) {
  step("out", "test_output", {{"ready", "false"}});
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "452 ");
  EXPECT_EQ(refusals("mail", "4", "not_ready"), 1);
  EXPECT_EQ(all_refusals(), 1);
}

TEST_F(MailMetricsTest, MemoryEndsTheSession) {
  serve_slowly();
  Client client(*this);
  begin(client);
  take_memory();
  client.send("RCPT TO:<lost@d.example>\r\n");
  EXPECT_EQ(client.reply().substr(0, 4), "421 ");
  EXPECT_EQ(refusals("mail", "4", "memory"), 1);
  EXPECT_EQ(all_refusals(), 1);
  give_memory();
}

TEST_F(MailMetricsTest, TheDaemonStops) {
  serve_slowly();
  Client client(*this);
  begin(client);
  drain();
  EXPECT_EQ(client.reply().substr(0, 4), "421 ");
  EXPECT_EQ(refusals("mail", "4", "shutdown"), 1);
  EXPECT_EQ(all_refusals(), 1);
}

TEST_F(MailMetricsTest, TheSessionTookTooLong) {
  settings_.timeouts.session = 100;
  serve_slowly();
  Client client(*this);
  begin(client);
  EXPECT_EQ(client.reply().substr(0, 4), "421 ");
  EXPECT_EQ(refusals("mail", "4", "timeout"), 1);
  EXPECT_EQ(all_refusals(), 1);
}

TEST_F(ListenerMetricsTest, RefusalsThatTheLogHoldsBackAreCountedAllTheSame) {
  step("out", "test_output");
  settings_.listeners[0].smtp.errors = 1000;
  settings_.listeners[0].smtp.commands = 1000;
  serve();
  Client client(*this);
  client.begin();
  for (int i = 0; i < 50; ++i) client.ask("NONSENSE");
  EXPECT_EQ(refusals("command", "5", "protocol"), 50);
}

TEST_F(ListenerMetricsTest, EndOfASessionByADeadlineIsARefusal) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  jump(settings_.timeouts.command + 1000);
  EXPECT_EQ(client.reply().substr(0, 4), "421 ");
  EXPECT_EQ(refusals("command", "4", "timeout"), 1);
}

TEST(RefusalReason, FollowsFromTheCodesOfEachReply) {
  using namespace smtp::replies;
  const auto reason = [](const Fixed& reply) {
    return reason_name(reason_of(code_of(reply), enhanced_of(reply)));
  };
  EXPECT_EQ(reason(kTooManyRecipients), "recipients");
  EXPECT_EQ(reason(kTooLarge), "size");
  EXPECT_EQ(reason(kLoop), "loop");
  EXPECT_EQ(reason(kBareLf), "content");
  EXPECT_EQ(reason(kNeedsSmtputf8), "address");
  EXPECT_EQ(reason(kDataTooSlow), "timeout");
  EXPECT_EQ(reason(kNoRoomForBody), "memory");
  EXPECT_EQ(reason(kTooManyErrors), "errors");
  EXPECT_EQ(reason(kInternalError), "internal");
  EXPECT_EQ(reason(kNestedMail), "protocol");
  EXPECT_EQ(reason(kUnknownParameter), "protocol");
  EXPECT_EQ(reason(kFilterTempfail), "filter");
}

TEST(RefusalReason, CombinationThatTheTableDoesNotHaveCountsAsOther) {
  metrics::Registry registry;
  const ListenerMetrics counts(registry, "mx", "default", 0);
  counts.count_refusal(RefusedAt::connect, 554, Reason::size);
  double other = 0;
  for (const auto& [info, series] : registry.snapshot()) {
    for (const auto& one : series) {
      if (one.labels == std::vector<std::string>{"mx", "connect", "5", "other"}) other = one.value;
    }
  }
  EXPECT_EQ(other, 1);
}

}  // namespace
}  // namespace lsmtpd::server
