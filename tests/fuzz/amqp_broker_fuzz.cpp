// SPDX-License-Identifier: Apache-2.0
// output_amqp on the fake host, against a hostile broker: the input says what the broker does, and
// what the host asks meanwhile. For any input,
//   - a message counts as stored only when the broker accepted and settled every copy of it after
//     it was sent whole (amqp_ledger.hpp reads that from the wire, apart from Proton);
//   - each call is answered once, and all of them when the lane closes; nothing is left over;
//   - the loop comes to rest after each step: no broker makes it spin;
//   - the memory taken from the host's budget stays within its limit, and what the broker sends
//     without being asked is not kept.
// Time stands still but where the input moves it, and nothing waits.
#include <lsmtpd/testing.h>

#include <string>
#include <vector>

#include "amqp_broker.hpp"
#include "amqp_script.hpp"

namespace {

using namespace lsmtpd;

constexpr size_t kSteps = 100;
constexpr size_t kMails = 16;
constexpr int64_t kMemory = 4 << 20;

const fuzz::AmqpListener& listener() {
  static const fuzz::AmqpListener one;
  return one;
}

// To look at a finding: LSMTPD_FUZZ_LOG=1 shows what the plugin logged and answered.
bool shows_log() {
  static const bool shows = ::getenv("LSMTPD_FUZZ_LOG") != nullptr;
  return shows;
}

class Game {
 public:
  explicit Game(fuzz::Octets& from)
      : from_(from), script_(from), test_(lsmtpd_test_new()), broker_(listener()) {
    lsmtpd_test_use(test_, &lsmtpd_entry);
    test_->name = "broker";
    test_->log_level = shows_log() ? LSMTPD_LOG_DEBUG : LSMTPD_LOG_WARN;
    lsmtpd_test_memory_limit(test_, kMemory);
    const uint8_t form = from_.octet();
    options(form, from_.octet());
  }
  ~Game() { lsmtpd_test_free(test_); }
  Game(const Game&) = delete;
  Game& operator=(const Game&) = delete;

  void play() {
    fuzz::require(lsmtpd_test_start(test_) == 0);
    if (probe_) probe();
    rest();
    for (size_t i = 0; i < kSteps && !from_.done(); ++i) {
      step();
      rest();
    }
    close();
  }

 private:
  struct Asked {
    lsmtpd_call call;
    std::string id;
    size_t copies;
    bool seen = false;
  };

  void option(const char* key, const std::string& value) {
    lsmtpd_test_option(test_, key, value.c_str());
  }
  void options(uint8_t form, uint8_t limits) {
    option("urls", listener().url());
    option("stall", "5s");
    option("reconnect_first", "100ms");
    option("allow_lossy_target", (form & 1) != 0 ? "true" : "false");
    option("format", (form & 2) != 0 ? "rfc822" : "json");
    split_ = (form & 4) != 0;
    option("split", split_ ? "recipient" : "none");
    by_domain_ = (form & 8) != 0;
    if ((form & 16) != 0) {
      option("exchange", "e");
      option("routing_key", by_domain_ ? "{rcpt_domain}" : "k");
    } else {
      option("address", by_domain_ ? "q/{rcpt_domain}" : "mail");
    }
    if ((form & 32) != 0) {
      option("username", "user");
      option("password", "secret");
    }
    probe_ = form >> 6 == 3;
    option("links", (limits & 1) != 0 ? "1" : "32");
    option("queue", (limits & 2) != 0 ? "2" : "100");
    option("in_flight_bytes", (limits & 4) != 0 ? "1KiB" : "64MiB");
    option("max_frame_size", (limits & 8) != 0 ? "512B" : "64KiB");
    option("idle_timeout", (limits & 16) != 0 ? "2s" : "30s");
    if ((limits & 32) != 0) test_->offload = LSMTPD_TEST_OFFLOAD_HELD;
  }

  void step() {
    switch (from_.octet() % 20) {
      case 0:
        return say(script_.greeting());
      case 1:
        return welcome();
      case 2:
        return say(on_link(&fuzz::AmqpScript::flow));
      case 3:
      case 4:
        return say(script_.disposition(channel(), next_id()));
      case 5:
        return say(on_link(&fuzz::AmqpScript::detach));
      case 6:
        return say(script_.end(channel()));
      case 7:
        return say(script_.close());
      case 8:
        return begin();
      case 9:
        return attach();
      case 10:
        return say(on_link(&fuzz::AmqpScript::transfer));
      case 11:
        return say(from_.bytes(from_.octet()));
      case 12:
        return say(from_.octet() % 2 != 0 ? fuzz::wire::frame(0, 0, "") : script_.sasl());
      case 13:
        return say(script_.odd_frame());
      case 14:
        return cancel();
      case 15:
        return advance();
      case 16:
        return disconnect();
      case 17:
        return host_fault();
      default:
        return ask();
    }
  }

  uint16_t channel() { return from_.octet() % 4; }
  uint64_t handle() { return from_.octet() % 4; }
  std::string on_link(std::string (fuzz::AmqpScript::*frame)(uint16_t, uint64_t)) {
    const uint16_t on = channel();
    return (script_.*frame)(on, handle());
  }
  void begin() {
    const uint16_t own = channel();
    say(script_.begin(own, from_.octet()));
  }
  void attach() {
    const uint16_t on = channel();
    const uint64_t link = handle();
    say(script_.attach(on, {0, link, std::string(name())}));
  }
  std::string_view name() {
    return from_.word<3>({"broker", "lsmtpd-mx.example.org-broker-0/mail", "x"});
  }
  uint64_t next_id() { return broker_.connected() ? broker_.ledger().next_id() : 0; }

  // Whole, or cut in two with a turn of the plugin's loop between.
  void say(std::string_view bytes) {
    const uint8_t cut = from_.octet();
    if (cut >= 0xc0 && !bytes.empty()) {
      const size_t first = cut % bytes.size();
      broker_.send(bytes.substr(0, first));
      rest();
      bytes.remove_prefix(first);
    }
    broker_.send(bytes);
  }

  void welcome() {
    if (!broker_.connected()) return;
    std::string said;
    for (const auto& link : broker_.ledger().take_unanswered())
      said += script_.welcome(link, link.channel);
    say(said);
  }

  void ask() {
    if (probe_ || asked_.size() >= kMails) return;
    static constexpr size_t kSizes[] = {10, 900, 70'000, 150'000};
    const uint8_t form = from_.octet();
    const std::string content(kSizes[form % 4], static_cast<char>(form));
    const char* recipients = (form & 4) != 0 ? "a@one b@two c@one" : "a@one";
    auto* mail = lsmtpd_test_mail_bytes(test_, "s@x", recipients, content.data(), content.size());
    if ((form & 8) != 0) lsmtpd_test_mail_spill(mail);
    const size_t copies = (form & 4) == 0 ? 1 : split_ ? 3 : by_domain_ ? 2 : 1;
    const auto call = lsmtpd_test_ask_deliver(test_, mail, nullptr, nullptr,
                                              (form & 16) != 0 ? LSMTPD_DELIVERY_REPLAY : 0U);
    asked_.push_back({call, {mail->envelope.id.data, mail->envelope.id.size}, copies});
    (void)lsmtpd_test_admission(test_);
  }

  // As `lsmtpd check --live` does: before anything else, and nothing else.
  void probe() {
    const auto* table =
        static_cast<const lsmtpd_probe_1*>(lsmtpd_test_extension(test_, LSMTPD_PROBE));
    auto* call = lsmtpd_t_new_call(test_, 1U << LSMTPD_CONTINUE | 1U << LSMTPD_TEMPFAIL, nullptr);
    call->probe.self = test_;
    call->probe.step = lsmtpd_t_step;
    table->probe(test_->lane->lane, call->id, &call->probe);
  }

  void cancel() {
    if (asked_.empty()) return;
    lsmtpd_test_cancel(test_, asked_[from_.octet() % asked_.size()].call);
  }
  void advance() {
    static constexpr uint64_t kTimes[] = {1, 100, 1000, 5000, 10'000, 31'000, 300'000};
    lsmtpd_test_advance(test_, kTimes[from_.octet() % std::size(kTimes)]);
  }
  void disconnect() {
    if (from_.octet() % 2 != 0) return broker_.end_stream();
    broker_.drop();
  }
  void host_fault() {
    switch (from_.octet() % 4) {
      case 0:
        return lsmtpd_test_memory_limit(test_, test_->memory_used);
      case 1:
        return lsmtpd_test_memory_limit(test_, kMemory);
      case 2:
        test_->offload = LSMTPD_TEST_OFFLOAD_TURN;
        return;
      default:
        test_->reads_to_fail = 1;
        return;
    }
  }

  // Until neither side has anything to do.
  void rest() {
    int rounds = 0;
    for (bool more = true; more; ++rounds) {
      more = lsmtpd_test_turn(test_, 0) != 0;
      more |= broker_.pump();
      fuzz::require(rounds < 5000);
    }
    fuzz::require(test_->memory_used <= kMemory);
    for (Asked& asked : asked_) check(asked);
  }

  void check(Asked& asked) {
    const auto* verdict = asked.seen ? nullptr : lsmtpd_test_answer(test_, asked.call);
    if (verdict == nullptr) return;
    asked.seen = true;
    if (shows_log())
      fprintf(stderr, "%s: %u %s\n", asked.id.c_str(), verdict->kind, verdict->detail);
    if (verdict->kind != LSMTPD_STORED) return;
    fuzz::require(broker_.may_be_stored(asked.id, asked.copies));
  }

  // The host's patience is longer than the plugin's.
  void close() {
    test_->offload = LSMTPD_TEST_OFFLOAD_TURN;
    const lsmtpd_t_host* lane = test_->lane;
    lane->lane->close(lane->lane, 25000);
    for (int i = 0; i < 12 && !lane->closed; ++i) {
      rest();
      lsmtpd_test_advance(test_, 1000);
    }
    fuzz::require(lane->closed);
    for (Asked& asked : asked_) {
      check(asked);
      fuzz::require(asked.seen);
    }
    const std::string failures = lsmtpd_test_finish(test_);
    if (shows_log()) fprintf(stderr, "%s", lsmtpd_test_log(test_));
    if (!failures.empty()) fprintf(stderr, "%s", failures.c_str());
    fuzz::require(failures.empty());
  }

  fuzz::Octets& from_;
  fuzz::AmqpScript script_;
  lsmtpd_test* test_;
  fuzz::AmqpBroker broker_;
  std::vector<Asked> asked_;
  bool split_ = false;
  bool by_domain_ = false;
  bool probe_ = false;
};

}  // namespace

// Proton's own: each further list of SASL mechanisms from a broker costs it the last choice.
extern "C" [[gnu::visibility("default")]] const char* __lsan_default_suppressions() {
  return "leak:pnx_sasl_set_selected_mechanism";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Octets octets({reinterpret_cast<const char*>(data), size});
  Game(octets).play();
  return 0;
}
