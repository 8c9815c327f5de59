// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <string>

#include "policy_service.hpp"

namespace {

using lsmtpd::policy::PolicyService;
using Options = std::initializer_list<std::pair<const char*, const char*>>;

class FilterPolicy : public testing::Test {
 protected:
  FilterPolicy() { lsmtpd_test_use(host_, &lsmtpd_entry); }
  ~FilterPolicy() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
  }
  void start(const std::string& service, Options options = {}) {
    lsmtpd_test_option(host_, "service", service.c_str());
    for (const auto& [key, value] : options) lsmtpd_test_option(host_, key, value);
    ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_);
    lsmtpd_test_real_time(host_, 1);
  }
  static std::string shown(const lsmtpd_test_verdict* verdict) {
    if (verdict == nullptr) return "not asked";
    if (verdict->kind == LSMTPD_CONTINUE) return "continue";
    if (verdict->kind == LSMTPD_ACCEPT) return "accept";
    if (verdict->kind == LSMTPD_DISCARD) return "discard";
    const char* kind = verdict->kind == LSMTPD_REJECT ? "reject " : "tempfail ";
    return kind + std::to_string(verdict->code) + " " + verdict->enhanced + " " + verdict->text;
  }
  std::string at(uint32_t phase, uint64_t session = 1) {
    return shown(lsmtpd_test_session(host_, phase, session, mail_, 0));
  }
  lsmtpd_call ask(uint64_t session = 1) {
    return lsmtpd_test_ask_session(host_, LSMTPD_PHASE_RCPT, session, mail_, 0);
  }
  std::string end() { return shown(lsmtpd_test_filter(host_, mail_)); }
  std::string content() { return lsmtpd_test_mail_content(lsmtpd_test_mail_edited(mail_)); }
  std::string log() { return lsmtpd_test_log(host_); }
  double decided(const char* verdict, const char* dry_run = "false") {
    const std::string name =
        std::string("filter_decisions_total verdict=") + verdict + " dry_run=" + dry_run;
    return lsmtpd_test_metric(host_, name.c_str());
  }
  size_t lines(const std::string& text) {
    size_t count = 0;
    for (size_t found = 0; (found = log().find(text, found)) != std::string::npos; ++found) ++count;
    return count;
  }

  lsmtpd_test* host_ = lsmtpd_test_new();
  lsmtpd_test_mail* mail_ =
      lsmtpd_test_mail_new(host_, "a@example.org", "b@example.com", "Subject: x\r\n\r\nhi\r\n");
};

TEST_F(FilterPolicy, AsksAtRcptByDefaultAndKeepsTheConnection) {
  PolicyService service(PolicyService::always("DUNNO"));
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "not asked");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "not asked");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(end(), "continue");
  ASSERT_EQ(service.requests().size(), 5u);
  EXPECT_NE(service.requests()[0].find("recipient=b@example.com\n"), std::string::npos);
  EXPECT_EQ(service.connections(), 1);
}

TEST_F(FilterPolicy, SpeaksOverUnixSockets) {
  const std::string path = "/tmp/lsmtpd-policy-test-" + std::to_string(getpid());
  PolicyService service(PolicyService::always("550 5.1.1 nobody"), path);
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "reject 550 5.1.1 nobody");
}

TEST_F(FilterPolicy, ActionsBecomeVerdicts) {
  std::string action;
  PolicyService service([&](const std::string&) {
    return PolicyService::Answer{"action=" + action + "\n\n", false};
  });
  start(service.address());
  const std::pair<const char*, const char*> all[] = {
      {"OK", "accept"},
      {"REJECT", "reject 554 5.7.1 Access denied"},
      {"REJECT no thanks", "reject 554 5.7.1 no thanks"},
      {"DEFER", "tempfail 450 4.7.1 Service unavailable, try again later"},
      {"DEFER_IF_PERMIT Greylisted", "tempfail 450 4.7.1 Greylisted"},
      {"451 4.4.3 later", "tempfail 451 4.4.3 later"},
      {"521 5.7.1 go", "reject 521 5.7.1 go"},
      {"WARN odd", "continue"},
      {"HOLD", "tempfail 451 4.3.5 The policy service failed, try again later"}};
  for (const auto& [text, verdict] : all) {
    action = text;
    EXPECT_EQ(at(LSMTPD_PHASE_RCPT), verdict) << text;
  }
  EXPECT_EQ(lines("the policy service notes"), 1u);
  EXPECT_EQ(lines("an action that lsmtpd cannot carry out"), 1u);
}

TEST_F(FilterPolicy, PrependedFieldsAreInTheMessageOnceAndInNoOther) {
  std::string action = "PREPEND Received-SPF: pass";
  PolicyService service([&](const std::string&) {
    return PolicyService::Answer{"action=" + action + "\n\n", false};
  });
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  action = "PREPEND X-Second: yes";
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(end(), "continue");
  EXPECT_EQ(content(), "X-Second: yes\r\nReceived-SPF: pass\r\nSubject: x\r\n\r\nhi\r\n");
  lsmtpd_test_transaction_ended(host_, LSMTPD_ENDED_ACCEPTED, 1, mail_);
  mail_ = lsmtpd_test_mail_new(host_, "a@example.org", "b@example.com", "Subject: y\r\n\r\n");
  action = "DUNNO";
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(end(), "continue");
  EXPECT_EQ(content(), "Subject: y\r\n\r\n");
}

TEST_F(FilterPolicy, WithoutMemoryForAFieldItTempfails) {
  PolicyService service(PolicyService::always("PREPEND X-A: b"));
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  host_->edits_to_fail = 1;
  EXPECT_EQ(end(), "tempfail 452 4.3.1 Insufficient system storage, try again later");
}

TEST_F(FilterPolicy, DiscardTakesEffectAtTheEnd) {
  PolicyService service(PolicyService::always("DISCARD spam"));
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(end(), "discard");
  lsmtpd_test_session_closed(host_, 1);
  mail_->envelope.session = 2;
  EXPECT_EQ(end(), "continue");
}

TEST_F(FilterPolicy, AsksAtTheEndOfTheMessage) {
  PolicyService service(PolicyService::always("REJECT too much"));
  start(service.address(), {{"phases", "end"}});
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "not asked");
  EXPECT_EQ(end(), "reject 554 5.7.1 too much");
  EXPECT_NE(service.requests()[0].find("protocol_state=END-OF-MESSAGE\n"), std::string::npos);
  EXPECT_NE(service.requests()[0].find("size=18\n"), std::string::npos);
}

TEST_F(FilterPolicy, AcceptAtTheEndDoesNotSkipFilters) {
  PolicyService service(PolicyService::always("OK"));
  start(service.address(), {{"phases", "end"}});
  EXPECT_EQ(end(), "continue");
}

TEST_F(FilterPolicy, ConnectionThatTheServiceEndedIsMadeAgain) {
  PolicyService service(PolicyService::always("DUNNO"));
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  service.close_all();
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(service.connections(), 2);
  EXPECT_EQ(log(), "");
}

TEST_F(FilterPolicy, RequestOnAConnectionThatEndsIsSentOnceMore) {
  int asked = 0;
  PolicyService service([&](const std::string&) {
    // The second request finds the connection closed under it.
    return ++asked == 2 ? PolicyService::Answer{"", true}
                        : PolicyService::Answer{"action=DUNNO\n\n", false};
  });
  start(service.address());
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(service.requests().size(), 3u);
  EXPECT_EQ(log(), "");
}

TEST_F(FilterPolicy, HostileAnswersFailAndTheNextRequestIsRight) {
  std::string bytes;
  bool closes = false;
  PolicyService service([&](const std::string&) { return PolicyService::Answer{bytes, closes}; });
  start(service.address());
  const std::tuple<std::string, bool, const char*> all[] = {
      {"", true, "it closed the connection without an answer"},
      {"action=DUN", true, "it closed the connection without an answer"},
      {"action=DUNNO\n", true, "it closed the connection without an answer"},
      {"\n", false, "its answer has no action"},
      {"HTTP/1.1 400 Bad Request\r\n\r\n", false, "a line of its answer is no name=value"},
      {"action=" + std::string(100000, 'x'), false, "its answer is longer than 8192 octets"},
      {"action=DUNNO\n\naction=REJECT\n\n", false, "it sent more than one answer"},
      {std::string("action=\0\n\n", 10), false, "cannot carry out: "}};
  for (const auto& [answer, closed, problem] : all) {
    bytes = answer;
    closes = closed;
    const lsmtpd_test_verdict* verdict = lsmtpd_test_session(host_, LSMTPD_PHASE_RCPT, 1, mail_, 0);
    EXPECT_EQ(verdict->kind, LSMTPD_TEMPFAIL) << problem;
    EXPECT_EQ(verdict->code, 451u);
    EXPECT_NE(std::string(verdict->detail).find(problem), std::string::npos) << verdict->detail;
    bytes = "action=DUNNO\n\n";
    closes = false;
    EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue") << problem;
  }
}

TEST_F(FilterPolicy, SilenceEndsAtTheTimeout) {
  PolicyService service([](const std::string&) { return PolicyService::Answer{}; });
  start(service.address(), {{"timeout", "50ms"}});
  const lsmtpd_test_verdict* verdict = lsmtpd_test_session(host_, LSMTPD_PHASE_RCPT, 1, mail_, 0);
  EXPECT_EQ(shown(verdict), "tempfail 451 4.3.5 The policy service failed, try again later");
  EXPECT_STREQ(verdict->detail, "the policy service gives no answer: no answer within 50 ms");
}

// An address of the loopback that takes no more connections: attempts hang.
class BlackHole {
 public:
  BlackHole(const char* host, uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    inet_pton(AF_INET, host, &address.sin_addr);
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    fds_[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fds_[0], raw, sizeof address) != 0 || listen(fds_[0], 0) != 0) std::abort();
    for (size_t i = 1; i < std::size(fds_); ++i) {
      fds_[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      (void)!connect(fds_[i], raw, sizeof address);
    }
  }
  ~BlackHole() {
    for (const int fd : fds_) close(fd);
  }

 private:
  int fds_[4];
};

TEST_F(FilterPolicy, AnAddressThatHangsHasItsShareOfTheTimeAndIsNotTheFirstNextTime) {
  PolicyService service(PolicyService::always("DUNNO"));
  const std::string port = service.address().substr(service.address().rfind(':') + 1);
  const BlackHole hole("127.0.0.2", static_cast<uint16_t>(std::stoi(port)));
  host_->addresses = "127.0.0.2 127.0.0.1";
  start("inet:policy.example:" + port, {{"timeout", "2s"}, {"connections", "1"}});
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  // A new connection goes to the one that answers, at once.
  service.close_all();
  lsmtpd_test_real_time(host_, 0);
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT, 2), "continue");
  EXPECT_EQ(service.connections(), 2);
}

TEST_F(FilterPolicy, AnAddressThatTakesConnectionsAndNeverAnswersIsNotTheFirstNextTime) {
  PolicyService service(PolicyService::always("DUNNO"));
  const std::string port = service.address().substr(service.address().rfind(':') + 1);
  const int silent = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(port)));
  inet_pton(AF_INET, "127.0.0.2", &address.sin_addr);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(silent, 8), 0);
  host_->addresses = "127.0.0.2 127.0.0.1";
  start("inet:policy.example:" + port, {{"timeout", "200ms"}});
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT).substr(0, 12), "tempfail 451");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  close(silent);
}

TEST_F(FilterPolicy, OneLookupServesAllConnectionsThatWait) {
  host_->no_resolve = 1;
  start("inet:policy.example:1", {{"connections", "10"}, {"timeout", "1h"}});
  std::vector<lsmtpd_call> calls;
  for (uint64_t session = 1; session <= 10; ++session) calls.push_back(ask(session));
  size_t lookups = 0;
  for (const auto* task = host_->resolving; task != nullptr; task = task->next) ++lookups;
  EXPECT_EQ(lookups, 1u);
  host_->no_resolve = 0;
  for (const lsmtpd_call call : calls)
    EXPECT_EQ(shown(lsmtpd_test_wait(host_, call)).substr(0, 12), "tempfail 451");
}

TEST_F(FilterPolicy, SlowAnswerOfAnOldRequestIsNeverTakenForTheNextOne) {
  std::atomic<int> asked{0};
  std::atomic<bool> late{false};
  PolicyService service([&](const std::string&) {
    if (++asked > 1) return PolicyService::Answer{"action=DUNNO\n\n", false};
    while (!late) std::this_thread::yield();
    return PolicyService::Answer{"action=REJECT late\n\n", false};
  });
  start(service.address(), {{"timeout", "1s"}, {"connections", "1"}});
  const lsmtpd_call first = ask();
  while (asked == 0) lsmtpd_test_turn(host_, 1);
  lsmtpd_test_cancel(host_, first);
  late = true;
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
}

TEST_F(FilterPolicy, OnErrorDecidesAndOneLineTellsOfAnOutage) {
  std::string address;
  { address = PolicyService(PolicyService::always("DUNNO")).address(); }
  start(address, {{"on_error", "continue"}});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(lines("the policy service gives no answer"), 1u) << log();
  EXPECT_EQ(lines("Connection refused"), 1u) << log();
}

TEST_F(FilterPolicy, OnErrorMayReject) {
  start("unix:/nonexistent/socket", {{"on_error", "reject"}});
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "reject 554 5.3.5 The policy service failed");
}

TEST_F(FilterPolicy, EndOfAnOutageIsALine) {
  const std::string path = "/tmp/lsmtpd-policy-test-" + std::to_string(getpid());
  start("unix:" + path);
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT).substr(0, 12), "tempfail 451");
  PolicyService service(PolicyService::always("DUNNO"), path);
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(lines("the policy service answers again"), 1u);
}

TEST_F(FilterPolicy, RequestsWaitForTheConnectionsThatAreAllowed) {
  PolicyService service(PolicyService::always("DUNNO"));
  start(service.address(), {{"connections", "2"}, {"waiting", "100"}});
  std::vector<lsmtpd_call> calls;
  for (uint64_t session = 1; session <= 50; ++session) calls.push_back(ask(session));
  for (const lsmtpd_call call : calls) EXPECT_EQ(shown(lsmtpd_test_wait(host_, call)), "continue");
  EXPECT_EQ(service.connections(), 2);
}

TEST_F(FilterPolicy, RequestsBeyondTheLimitFailAtOnce) {
  PolicyService service([](const std::string&) { return PolicyService::Answer{}; });
  start(service.address(), {{"connections", "1"}, {"waiting", "2"}, {"timeout", "10s"}});
  const lsmtpd_call first = ask(1), second = ask(2), third = ask(3), fourth = ask(4);
  const lsmtpd_test_verdict* verdict = lsmtpd_test_wait(host_, fourth);
  EXPECT_NE(std::string(verdict->detail).find("too many requests wait"), std::string::npos);
  for (const lsmtpd_call call : {first, second, third}) {
    EXPECT_EQ(lsmtpd_test_answer(host_, call), nullptr);
    lsmtpd_test_cancel(host_, call);
    EXPECT_NE(lsmtpd_test_answer(host_, call), nullptr);
  }
}

TEST_F(FilterPolicy, OpenRequestsEndWithTheLane) {
  PolicyService service([](const std::string&) { return PolicyService::Answer{}; });
  start(service.address(), {{"connections", "1"}, {"timeout", "1h"}});
  const lsmtpd_call first = ask(1), second = ask(2);
  lsmtpd_test_turn(host_, 10);
  lsmtpd_test_close_lane(host_);
  EXPECT_EQ(lsmtpd_test_answer(host_, first)->kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(lsmtpd_test_answer(host_, second)->kind, LSMTPD_TEMPFAIL);
}

TEST_F(FilterPolicy, UnusedConnectionIsClosed) {
  PolicyService service(PolicyService::always("DUNNO"));
  start(service.address(), {{"idle", "20ms"}});
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  for (int i = 0; i < 10; ++i) lsmtpd_test_turn(host_, 10);
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(service.connections(), 2);
}

TEST_F(FilterPolicy, LinesOfOneKindAreLimited) {
  const std::pair<const char*, const char*> rows[] = {
      {"INFO x", "the policy service notes"},
      {"FILTER x", "lsmtpd cannot carry out"},
      {"PREPEND no field", "was left out"},
  };
  for (const auto& [action, text] : rows) {
    const std::string chosen = action;
    PolicyService service(PolicyService::always(chosen));
    lsmtpd_test* fresh = lsmtpd_test_new();
    lsmtpd_test_use(fresh, &lsmtpd_entry);
    lsmtpd_test_option(fresh, "service", service.address().c_str());
    ASSERT_EQ(lsmtpd_test_start(fresh), 0);
    auto* mail = lsmtpd_test_mail_new(fresh, "a@example.org", "b@example.com", "x\r\n");
    for (int i = 0; i < 50; ++i) lsmtpd_test_session(fresh, LSMTPD_PHASE_RCPT, 1, mail, 0);
    const std::string log = lsmtpd_test_log(fresh);
    size_t lines = 0;
    for (size_t at = log.find(text); at != log.npos; at = log.find(text, at + 1)) ++lines;
    EXPECT_EQ(lines, 10u) << action << log;
    EXPECT_STREQ(lsmtpd_test_finish(fresh), "");
    lsmtpd_test_free(fresh);
  }
}

TEST_F(FilterPolicy, AServiceThatFailsNowAndThenIsAFewLines) {
  std::atomic<int> asked{0};
  PolicyService service([&](const std::string&) {
    return PolicyService::Answer{++asked % 2 ? "nonsense\n\n" : "action=DUNNO\n\n", false};
  });
  start(service.address());
  for (int i = 0; i < 20; ++i) at(LSMTPD_PHASE_RCPT);
  EXPECT_EQ(lines("the policy service gives no answer"), 3u) << log();
  EXPECT_EQ(lines("the policy service answers again"), 3u) << log();
}

TEST_F(FilterPolicy, DryRunChangesNothingAndSaysWhatItWould) {
  std::string action;
  PolicyService service([&](const std::string&) {
    return PolicyService::Answer{"action=" + action + "\n\n", false};
  });
  start(service.address(), {{"dry_run", "true"}});
  for (const char* text : {"REJECT no", "DEFER", "DISCARD x", "PREPEND X-A: b", "OK", "HOLD"}) {
    action = text;
    EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue") << text;
  }
  EXPECT_EQ(end(), "continue");
  EXPECT_EQ(content(), "Subject: x\r\n\r\nhi\r\n");
  EXPECT_EQ(lines("the policy service would decide"), 4u) << log();
  EXPECT_EQ(decided("reject", "true"), 1);
  EXPECT_EQ(decided("tempfail", "true"), 1);
  EXPECT_EQ(decided("discard", "true"), 1);
  EXPECT_EQ(decided("continue", "true"), 1) << "PREPEND";
  EXPECT_EQ(decided("accept", "true"), 1);
  EXPECT_EQ(decided("error", "true"), 1) << "HOLD";
}

TEST_F(FilterPolicy, DecisionsAreCountedByVerdict) {
  std::string action;
  PolicyService service([&](const std::string&) {
    return PolicyService::Answer{"action=" + action + "\n\n", false};
  });
  start(service.address());
  EXPECT_EQ(decided("reject"), 0) << "from the start";
  for (const char* text : {"REJECT no", "DEFER", "DUNNO", "DUNNO", "OK", "HOLD"}) {
    action = text;
    at(LSMTPD_PHASE_RCPT);
  }
  EXPECT_EQ(decided("reject"), 1);
  EXPECT_EQ(decided("tempfail"), 1) << "and not the one of on_error";
  EXPECT_EQ(decided("continue"), 2);
  EXPECT_EQ(decided("accept"), 1);
  EXPECT_EQ(decided("error"), 1);
}

TEST_F(FilterPolicy, MistakesInOptionsAreNamed) {
  lsmtpd_test_option(host_, "service", "127.0.0.1:10023");
  lsmtpd_test_option(host_, "phases", "rctp");
  EXPECT_NE(lsmtpd_test_start(host_), 0);
  const std::string errors = lsmtpd_test_errors(host_);
  EXPECT_NE(errors.find("service: write inet:HOST:PORT or unix:/PATH"), std::string::npos);
  EXPECT_NE(errors.find("phases: \"rctp\" is no phase; there are: connect, helo"),
            std::string::npos);
}

}  // namespace
