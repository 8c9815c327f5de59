// SPDX-License-Identifier: Apache-2.0
// sdk/plugin.hpp against the fake host: calls, messages, options, extensions, instances and lanes.
#include "sdk_support.hpp"

#include <stdexcept>

namespace {

namespace sdk = lsmtpd::sdk;

// ---- which extensions a class offers ----

struct OnlyFilter : sdk::SimpleFilter {
  using SimpleFilter::SimpleFilter;
  void message(sdk::Call call, sdk::FilterMessage) override { call.proceed(); }
};

struct Everything : sdk::Lane,
                    sdk::Filter,
                    sdk::SessionFilter,
                    sdk::Auth,
                    sdk::Output,
                    sdk::Admission,
                    sdk::Replay,
                    sdk::Probe,
                    sdk::Control {
  Everything(sdk::LaneHost host, sdk::Config) : sdk::Lane(std::move(host)) {}
  void message(sdk::Call call, sdk::FilterMessage) override { call.discard("why not"); }
  void decide(sdk::Call call, const lsmtpd_session_event& event) override {
    if (event.phase == LSMTPD_PHASE_CONNECT) return call.proceed();
    call.tempfail("come back", 450, "4.7.1");
  }
  void verify(sdk::Call call, const lsmtpd_credentials& given) override {
    if (sdk::view(given.password) == "secret")
      return call.authenticated("the " + std::string(sdk::view(given.user)));
    call.wrong_credentials(sdk::view(given.user) != "user");
  }
  void deliver(sdk::Call call, sdk::Message, sdk::Delivery delivery) override {
    call.stored(std::string(delivery.copy_id) + "/" + std::string(delivery.target) +
                (delivery.replay ? "/replay" : "") + "/" +
                std::to_string(delivery.deadline.count()));
  }
  void cancel(lsmtpd_call) override {}
  sdk::Capacity admission() override { return {false, 77, "full"}; }
  void list(sdk::Call call, bool restart, uint32_t max) override {
    host().listed(std::move(call),
                  {{restart ? "again" : "on", 0, 0, true}, {std::to_string(max), 7, 8, false}},
                  true);
  }
  void load(sdk::Call call, std::string_view copy_id) override {
    call.reject(std::string(copy_id) + " is gone");
  }
  void forget(sdk::Call call, std::string_view) override { call.stored(); }
  void count(sdk::Call call, std::string_view target, uint64_t max) override {
    host().counted(std::move(call), std::min<uint64_t>(target.size(), max));
  }
  void dead_letter(sdk::Call call, std::string_view, std::string_view reason) override {
    call.stored(reason);
  }
  void retry_now() override { host().info("retries"); }
  void probe(sdk::Call call, sdk::ProbeReport report) override {
    report.good("resolve", "127.0.0.1");
    report.bad("connect", 11, "refused");
    call.tempfail();
  }
};

TEST(Extensions, FollowFromTheBaseClassesOfTheLane) {
  const char* const ids[] = {LSMTPD_FILTER, LSMTPD_SESSION_FILTER, LSMTPD_OUTPUT,  LSMTPD_ADMISSION,
                             LSMTPD_REPLAY, LSMTPD_PROBE,          LSMTPD_CONTROL, LSMTPD_AUTH};
  FakeHost one = FakeHost::of<OnlyFilter>();
  FakeHost all = FakeHost::of<Everything>();
  for (const char* id : ids) {
    EXPECT_EQ(lsmtpd_test_extension(*one, id) != nullptr, id == ids[0]) << id;
    EXPECT_NE(lsmtpd_test_extension(*all, id), nullptr) << id;
  }
  EXPECT_EQ(lsmtpd_test_extension(*all, "lsmtpd.filter/2"), nullptr);
}

TEST(Extensions, PassTheHostsQuestionsAndThePluginsAnswers) {
  FakeHost host = FakeHost::of<Everything>();
  EXPECT_EQ(lsmtpd_test_filter(*host, host.mail())->kind, LSMTPD_DISCARD);
  EXPECT_EQ(lsmtpd_test_session(*host, LSMTPD_PHASE_CONNECT, 1, host.mail(), 0)->kind,
            LSMTPD_CONTINUE);
  const lsmtpd_test_verdict* verdict =
      lsmtpd_test_session(*host, LSMTPD_PHASE_RCPT, 1, host.mail(), 0);
  EXPECT_EQ(verdict->code, 450u);
  EXPECT_STREQ(verdict->text, "come back");
  EXPECT_STREQ(verdict->enhanced, "4.7.1");
  verdict = lsmtpd_test_wait(
      *host, lsmtpd_test_ask_deliver(*host, host.mail(), "id", "broker", LSMTPD_DELIVERY_REPLAY));
  EXPECT_STREQ(verdict->detail, "id/broker/replay/0");
  verdict = lsmtpd_test_verify(*host, LSMTPD_AUTH_PLAIN, "user", "secret", host.mail());
  EXPECT_EQ(verdict->kind, LSMTPD_ACCEPT);
  EXPECT_STREQ(verdict->detail, "the user");
  verdict = lsmtpd_test_verify(*host, LSMTPD_AUTH_LOGIN, "nobody", "x", host.mail());
  EXPECT_EQ(verdict->kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict->flags, LSMTPD_UNKNOWN_USER);
  const lsmtpd_admission admission = lsmtpd_test_admission(*host);
  EXPECT_EQ(admission.ready, 0u);
  EXPECT_EQ(admission.max_message_size, 77u);
  EXPECT_EQ(sdk::view(admission.reason), "full");
  EXPECT_STREQ(lsmtpd_test_list(*host, 1, 5)->copy_ids, "again in doubt\n5\n");
  EXPECT_STREQ(lsmtpd_test_load_copy(*host, "x")->text, "x is gone");
  EXPECT_EQ(lsmtpd_test_forget(*host, "x")->kind, LSMTPD_STORED);
  EXPECT_STREQ(lsmtpd_test_dead_letter(*host, "x", "poison")->detail, "poison");
  EXPECT_EQ(lsmtpd_test_probe(*host)->kind, LSMTPD_TEMPFAIL);
  EXPECT_STREQ(lsmtpd_test_steps(*host), "resolve 0 127.0.0.1\nconnect 11 refused\n");
}

// ---- calls ----

struct Keeps : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call call, sdk::FilterMessage) override { held = std::move(call); }
  void cancel(lsmtpd_call id) override {
    if (held.id() == id) held = sdk::Call();
  }
  sdk::Call held;
};

struct Drops : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call, sdk::FilterMessage) override {}
};

TEST(Call, DroppedCallAnswersTempfail) {
  FakeHost host = FakeHost::of<Drops>();
  const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(*host, host.mail());
  EXPECT_EQ(verdict->kind, LSMTPD_TEMPFAIL);
  EXPECT_STREQ(verdict->detail, "dropped by the plugin");
}

TEST(Call, CallHeldByTheLaneIsAnsweredWhenTheLaneCloses) {
  FakeHost host = FakeHost::of<Keeps>();
  const lsmtpd_call call = lsmtpd_test_ask_filter(*host, host.mail());
  EXPECT_EQ(lsmtpd_test_answer(*host, call), nullptr);
  lsmtpd_test_close_lane(*host);
  ASSERT_NE(lsmtpd_test_answer(*host, call), nullptr);
  EXPECT_EQ(lsmtpd_test_answer(*host, call)->kind, LSMTPD_TEMPFAIL);
}

TEST(Call, CancelReachesThePluginWithItsId) {
  FakeHost host = FakeHost::of<Keeps>();
  const lsmtpd_call call = lsmtpd_test_ask_filter(*host, host.mail());
  lsmtpd_test_cancel(*host, call);
  EXPECT_NE(lsmtpd_test_answer(*host, call), nullptr);
}

struct AnswersTwice : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call call, sdk::FilterMessage) override {
    sdk::Call moved = std::move(call);
    moved.reject("first", 571, "5.7.1", "detail");
    EXPECT_FALSE(moved);
    moved.proceed();
  }
};

TEST(Call, SecondAnswerDoesNothing) {
  FakeHost host = FakeHost::of<AnswersTwice>();
  const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(*host, host.mail());
  EXPECT_EQ(verdict->kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict->code, 571u);
  EXPECT_STREQ(verdict->detail, "detail");
}

struct CatchesItself : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call call, sdk::FilterMessage) override {
    try {
      const sdk::Call held = std::move(call);
      throw std::runtime_error("caught by the plugin");
    } catch (const std::runtime_error&) {
    }
  }
};

TEST(Call, CallDestroyedByACaughtExceptionIsAnswered) {
  FakeHost host = FakeHost::of<CatchesItself>();
  EXPECT_STREQ(lsmtpd_test_filter(*host, host.mail())->detail, "dropped by the plugin");
}

// ---- messages ----

struct Reads : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call call, sdk::FilterMessage message) override {
    const sdk::Message copy = message;  // a pin of its own
    message.reset();
    auto work = [copy] {
      std::string content;
      return copy.read_into(content) ? content : "error";
    };
    host().offload(work, [held = std::move(call)](const std::string& content) mutable {
      held.discard(content);
    });
  }
};

TEST(Message, CopiesPinAndReadWhatIsInMemoryAndInAFile) {
  FakeHost host = FakeHost::of<Reads>();
  const std::string long_content(100000, 'x');
  EXPECT_STREQ(lsmtpd_test_filter(*host, host.mail("hello"))->detail, "hello");
  lsmtpd_test_mail* mail = host.mail(long_content.c_str());
  lsmtpd_test_mail_spill(mail);
  EXPECT_EQ(lsmtpd_test_filter(*host, mail)->detail, long_content);
  host.raw()->reads_to_fail = 1;
  EXPECT_STREQ(lsmtpd_test_filter(*host, mail)->detail, "error");
}

struct Edits : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call call, sdk::FilterMessage message) override {
    std::string seen;
    message.each_annotation([&](auto key, auto value) { (seen += key) += value; });
    EXPECT_EQ(seen, "a1");
    EXPECT_EQ(message.annotation("a"), "1");
    EXPECT_EQ(message.headers().size(), 1u);
    EXPECT_EQ(message.headers().value("SUBJECT"), "x");
    EXPECT_EQ(message.headers().find("X"), 1u);
    EXPECT_EQ(message.deadline(), std::chrono::seconds(10));
    EXPECT_TRUE(message.set_reverse_path(""));
    EXPECT_EQ(message.id(), "00000000-0000-4000-8000-000000000001");
    EXPECT_TRUE(message.in_memory());
    EXPECT_EQ(message.peek(9), "x\r\n\r\nhello\r\n");
    EXPECT_FALSE(message.remove_recipient(0)) << "it is the last one";
    EXPECT_FALSE(message.add_recipient("") || message.add_recipient("a\r\n@example.org") ||
                 message.add_recipient("a@example.org", "X=\x7f"));
    const bool edited = message.annotate("a", "") && message.annotate("b", "2") &&
                        message.prepend_header("X: y\r\n") &&
                        message.add_recipient("new@example.org") && message.remove_recipient(0) &&
                        message.body_append("new ") && message.body_append("body\r\n") &&
                        message.body_commit();
    EXPECT_TRUE(edited);
    call.proceed();
  }
};

TEST(Message, EditsReachTheNextStep) {
  FakeHost host = FakeHost::of<Edits>();
  lsmtpd_test_mail* mail = host.mail();
  lsmtpd_test_mail_annotate(mail, "a", "1");
  EXPECT_EQ(lsmtpd_test_filter(*host, mail)->kind, LSMTPD_CONTINUE);
  const lsmtpd_test_mail* next = lsmtpd_test_mail_edited(mail);
  EXPECT_STREQ(lsmtpd_test_mail_content(next), "X: y\r\nnew body\r\n");
  EXPECT_EQ(lsmtpd_test_mail_annotation(next, "a"), nullptr);
  EXPECT_STREQ(lsmtpd_test_mail_annotation(next, "b"), "2");
  EXPECT_EQ(next->envelope.recipient_count, 1u);
  EXPECT_EQ(next->envelope.reverse_path.size, 0u);
}

struct EditsHeader : OnlyFilter {
  using OnlyFilter::OnlyFilter;
  void message(sdk::Call call, sdk::FilterMessage message) override {
    const sdk::Headers headers = message.headers();
    EXPECT_TRUE(message.remove_header(headers.find("X-Spam")));
    EXPECT_TRUE(message.change_header(headers.find("Subject"), "Subject: y\r\n"));
    EXPECT_TRUE(message.insert_header(headers.size(), "X-Last: 1\r\n"));
    EXPECT_FALSE(message.insert_header(headers.size() + 1, "X-Last: 1\r\n"));
    call.accept();
  }
};

TEST(Message, HeaderFieldsAreEditedByNumber) {
  FakeHost host = FakeHost::of<EditsHeader>();
  lsmtpd_test_mail* mail = host.mail("X-Spam: 1\r\nSubject: x\r\n\r\nhello\r\n");
  EXPECT_EQ(lsmtpd_test_filter(*host, mail)->kind, LSMTPD_ACCEPT);
  EXPECT_STREQ(lsmtpd_test_mail_content(lsmtpd_test_mail_edited(mail)),
               "Subject: y\r\nX-Last: 1\r\n\r\nhello\r\n");
}

struct Answers : sdk::Lane, sdk::Output, sdk::SessionFilter {
  Answers(sdk::LaneHost host, sdk::Config) : sdk::Lane(std::move(host)) {}
  void deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) override {
    EXPECT_TRUE(delivery.in_doubt);
    EXPECT_EQ(delivery.attempts, 2u);
    EXPECT_EQ(delivery.reason, "lost");
    std::vector<lsmtpd_verdict> verdicts(message.envelope().recipient_count);
    for (lsmtpd_verdict& verdict : verdicts)
      verdict = {sizeof verdict, LSMTPD_STORED, 0, 0, {}, {}, {}};
    verdicts[1].kind = LSMTPD_REJECT;
    call.recipients(verdicts);
  }
  void decide(sdk::Call call, const lsmtpd_session_event& event) override {
    held = std::move(call);
    host().annotations(event).set("answers.phase", std::to_string(event.phase));
  }
  void cancel(lsmtpd_call id) override {
    if (held.id() == id) held.accept();
  }
  void transaction_ended(const lsmtpd_transaction_end& end) override {
    host().info("ended", {{"how", end.how}});
  }
  sdk::Call held;
};

TEST(Call, AnswersRecipientByRecipient) {
  FakeHost host = FakeHost::of<Answers>();
  lsmtpd_test* t = *host;
  lsmtpd_test_mail* mail = lsmtpd_test_mail_new(t, "", "a@x.org b@x.org", "x\r\n");
  const lsmtpd_test_verdict* verdict =
      lsmtpd_test_wait(t, lsmtpd_test_ask_deliver_again(t, mail, nullptr, nullptr,
                                                        LSMTPD_DELIVERY_IN_DOUBT, 2, "lost"));
  EXPECT_EQ(verdict->kind, LSMTPD_REJECT);
  ASSERT_EQ(verdict->recipient_count, 2u);
  EXPECT_EQ(verdict->recipients[0].kind, LSMTPD_STORED);
  EXPECT_EQ(verdict->recipients[1].kind, LSMTPD_REJECT);
}

TEST(SessionFilter, IsAskedWithoutWaitingCancelledAndAnnotatesTheSession) {
  FakeHost host = FakeHost::of<Answers>();
  const lsmtpd_call call = lsmtpd_test_ask_session(*host, LSMTPD_PHASE_DATA, 5, host.mail(), 0);
  EXPECT_EQ(lsmtpd_test_answer(*host, call), nullptr);
  lsmtpd_test_cancel(*host, call);
  ASSERT_NE(lsmtpd_test_answer(*host, call), nullptr);
  EXPECT_EQ(lsmtpd_test_answer(*host, call)->kind, LSMTPD_ACCEPT);
  EXPECT_STREQ(lsmtpd_test_session_annotation(*host, 5, "answers.phase"), "32");
  EXPECT_EQ(lsmtpd_test_session_annotation(*host, 6, "answers.phase"), nullptr);
  lsmtpd_test_transaction_ended(*host, LSMTPD_ENDED_RESET, 5, host.mail());
  EXPECT_TRUE(host.logged("ended how=3"));
}

// ---- options, check, command, instance ----

struct Optioned : sdk::Instance {
  static constexpr lsmtpd_option options[] = {
      sdk::option::required(sdk::option::string("name", nullptr, "a name")),
      sdk::option::size("size", "2KiB", "a size", 1, 1 << 20),
      sdk::option::duration("wait", "3s", "a duration"),
      sdk::option::boolean("on", "true", "a switch"),
      sdk::option::integer("count", nullptr, "a number", -5, 5),
      sdk::option::integer("at_least_one", nullptr, "a number", 1),
      sdk::option::one_of("mode", "fast slow", "slow", "a choice"),
      sdk::option::list("items", nullptr, "a list"),
      sdk::option::map("pairs", nullptr, "a map"),
  };
  static void validate(sdk::Config config, sdk::Report report) {
    if (config.string("name") == "bad") report.error("name", "is bad");
  }
  static constexpr const char* command_name = "optioned";
  static constexpr const char* command_usage = "optioned WORDS";
  static int command(sdk::Config config, const std::vector<std::string_view>& arguments,
                     sdk::Terminal terminal) {
    if (arguments.empty()) throw std::runtime_error("no words");
    terminal.out(std::string(config.string("name")) + " " + std::string(arguments[0]) + "\n");
    return 2;
  }
  using sdk::Instance::Instance;
  bool start(sdk::Report& report) override {
    if (config().string("name") == "fails") report.error("name", "start failed");
    return config().string("name") != "fails";
  }
  void stop() override { host().info("stopped", {{"answer", 42}, {"word", "x"}}); }
  std::unique_ptr<OnlyFilter> open_lane(sdk::LaneHost lane_host) {
    return std::make_unique<OnlyFilter>(std::move(lane_host), config());
  }
};

TEST(Config, HasValuesAndDefaults) {
  FakeHost host = FakeHost::of<Optioned>();
  const std::pair<const char*, const char*> given[] = {
      {"name", "n"}, {"items", "one"}, {"items", "two"}, {"pairs", "k=v=w"}, {"mode", "fast"}};
  for (const auto& [key, value] : given) lsmtpd_test_option(host.raw(), key, value);
  const sdk::Config config(&(*host)->config);
  EXPECT_EQ(config.string("name"), "n");
  EXPECT_EQ(config.size("size"), 2048u);
  EXPECT_EQ(config.duration("wait"), std::chrono::seconds(3));
  EXPECT_TRUE(config.boolean("on"));
  EXPECT_FALSE(config.is_set("count"));
  EXPECT_EQ(config.string("mode"), "fast");
  EXPECT_EQ(config.list("items"), (std::vector<std::string_view>{"one", "two"}));
  ASSERT_EQ(config.map("pairs").size(), 1u);
  EXPECT_EQ(config.map("pairs")[0].first, "k");
  EXPECT_EQ(config.map("pairs")[0].second, "v=w");
}

TEST(Config, WrongOnesAreAllReported) {
  lsmtpd_test* t = lsmtpd_test_new();
  lsmtpd_test_use(t, &entry_of<Optioned>());
  lsmtpd_test_option(t, "size", "0");
  lsmtpd_test_option(t, "wait", "3 parsecs");
  lsmtpd_test_option(t, "mode", "medium");
  lsmtpd_test_option(t, "at_least_one", "1");
  lsmtpd_test_option(t, "nmae", "x");
  EXPECT_NE(lsmtpd_test_start(t), 0);
  EXPECT_STREQ(lsmtpd_test_errors(t),
               "size: 0 is not between 1 and 1048576\n"
               "wait: \"3 parsecs\" has the wrong type\n"
               "mode: one of: fast slow\n"
               "nmae: unknown option\n"
               "name: is required\n");
  EXPECT_STREQ(lsmtpd_test_finish(t), "");
  lsmtpd_test_free(t);
}

TEST(Instance, CheckAndStartSayWhatIsWrong) {
  for (const auto& [name, error] :
       {std::pair{"bad", "name: is bad\n"}, {"fails", "name: start failed\n"}}) {
    lsmtpd_test* t = lsmtpd_test_new();
    lsmtpd_test_use(t, &entry_of<Optioned>());
    lsmtpd_test_option(t, "name", name);
    EXPECT_NE(lsmtpd_test_start(t), 0);
    EXPECT_STREQ(lsmtpd_test_errors(t), error);
    EXPECT_STREQ(lsmtpd_test_finish(t), "");
    EXPECT_EQ(std::string(lsmtpd_test_log(t)), "") << "stop() belongs to a start() that succeeded";
    lsmtpd_test_free(t);
  }
}

TEST(Instance, IsStoppedAtTheEndAndLogsFields) {
  lsmtpd_test* t = lsmtpd_test_new();
  lsmtpd_test_use(t, &entry_of<Optioned>());
  lsmtpd_test_option(t, "name", "n");
  EXPECT_EQ(lsmtpd_test_start(t), 0);
  EXPECT_STREQ(lsmtpd_test_finish(t), "");
  EXPECT_STREQ(lsmtpd_test_log(t), "info stopped answer=42 word=x\n");
  lsmtpd_test_free(t);
}

TEST(Command, RunsWithOptionsAndArguments) {
  lsmtpd_test* t = lsmtpd_test_new();
  lsmtpd_test_use(t, &entry_of<Optioned>());
  lsmtpd_test_option(t, "name", "n");
  const char* const arguments[] = {"word"};
  EXPECT_EQ(lsmtpd_test_command(t, arguments, 1), 2);
  EXPECT_EQ(lsmtpd_test_command(t, arguments, 0), 1) << "what it throws is a failure";
  EXPECT_STREQ(lsmtpd_test_terminal(t), "n word\nno words\n");
  EXPECT_STREQ(lsmtpd_test_finish(t), "");
  lsmtpd_test_free(t);
}

struct Tabled : sdk::Instance {
  static constexpr lsmtpd_option columns[] = {
      sdk::option::required(sdk::option::string("name", nullptr, "a name")),
      sdk::option::integer("weight", "1", "a number", 1, 9),
  };
  static constexpr lsmtpd_option options[] = {
      sdk::option::tables("routes", columns, "where to"),
  };
  using sdk::Instance::Instance;
  std::unique_ptr<OnlyFilter> open_lane(sdk::LaneHost lane_host) {
    return std::make_unique<OnlyFilter>(std::move(lane_host), config());
  }
};

TEST(Config, HasListsOfTables) {
  FakeHost host = FakeHost::of<Tabled>();
  lsmtpd_test_option(host.raw(), "routes[0].name", "a");
  lsmtpd_test_option(host.raw(), "routes[1].name", "b");
  lsmtpd_test_option(host.raw(), "routes[1].weight", "3");
  const auto routes = sdk::Config(&(*host)->config).tables("routes");
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].string("name"), "a");
  EXPECT_EQ(routes[0].integer("weight"), 1);
  EXPECT_EQ(routes[1].integer("weight"), 3);
}

TEST(Config, WrongColumnsAreReported) {
  lsmtpd_test* t = lsmtpd_test_new();
  lsmtpd_test_use(t, &entry_of<Tabled>());
  lsmtpd_test_option(t, "routes[0].weight", "11");
  lsmtpd_test_option(t, "routes[0].wieght", "1");
  EXPECT_NE(lsmtpd_test_start(t), 0);
  EXPECT_STREQ(lsmtpd_test_errors(t),
               "routes[0].weight: 11 is not between 1 and 9\nroutes[0].wieght: unknown option\n"
               "routes[0].name: is required\n");
  EXPECT_STREQ(lsmtpd_test_finish(t), "");
  lsmtpd_test_free(t);
}

struct NoLane : sdk::Instance {
  using sdk::Instance::Instance;
  std::unique_ptr<OnlyFilter> open_lane(sdk::LaneHost) {
    throw std::runtime_error("no lane today");
  }
};

TEST(Instance, LaneThatThrowsIsNotOpened) {
  lsmtpd_test* t = lsmtpd_test_new();
  lsmtpd_test_use(t, &entry_of<NoLane>());
  EXPECT_NE(lsmtpd_test_start(t), 0);
  EXPECT_NE(std::string(lsmtpd_test_log(t)).find("no lane today"), std::string::npos);
  EXPECT_STREQ(lsmtpd_test_finish(t), "");
  lsmtpd_test_free(t);
}

TEST(Descriptor, IsGivenByTheFactory) {
  FakeHost host = FakeHost::of<OnlyFilter>();
  EXPECT_EQ(sdk::view((*host)->factory->descriptor->name), "test");
}

}  // namespace
