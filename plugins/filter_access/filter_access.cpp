// SPDX-License-Identifier: Apache-2.0
// filter_access: rules over the client, its HELO name, TLS and login, the sender and the recipient.
// The first rule that matches decides: docs/filter-access.md.
#include <lsmtpd/sdk/plugin.hpp>

#include <algorithm>
#include <map>

#include "decision_counter.hpp"
#include "evaluation.hpp"
#include "log_lines/line_limit.hpp"
#include "map_command.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using namespace lsmtpd::access;
using lsmtpd::common::Decided;
using std::chrono::milliseconds;

class Instance;

uint32_t phase_before(uint32_t phase) {
  switch (phase) {
    case LSMTPD_PHASE_HELO:
      return LSMTPD_PHASE_CONNECT;
    case LSMTPD_PHASE_RCPT:
      return LSMTPD_PHASE_MAIL;
    default:
      return LSMTPD_PHASE_HELO;
  }
}

bool all_accepted(const std::vector<Decision>& decisions) {
  return !decisions.empty() &&
         std::all_of(decisions.begin(), decisions.end(), [](const Decision& decision) {
           return decision.verdict != nullptr &&
                  decision.verdict->action == Verdict::Action::accept;
         });
}

// Whether `item` stands in "a,b".
bool has_item(std::string_view list, std::string_view item) {
  for (; !list.empty(); list.remove_prefix(std::min(list.size(), list.find(',')) + 1)) {
    if (list.substr(0, list.find(',')) == item) return true;
    if (list.find(',') == std::string_view::npos) break;
  }
  return false;
}

class Lane : public sdk::Lane, public sdk::SessionFilter, public sdk::Filter {
 public:
  Lane(sdk::LaneHost host, Instance& instance);

  void decide(sdk::Call call, const lsmtpd_session_event& event) override;
  void cancel(lsmtpd_call) override {}  // every call is answered at once
  void message(sdk::Call call, sdk::FilterMessage message) override;

 private:
  // Those of all recipients; none where no rule accepts or annotates.
  std::vector<Decision> decisions(const lsmtpd_envelope& envelope, const Tables& tables) const;
  // Whether the phases before this one came to a decision already.
  bool was_decided(const lsmtpd_session_event& event, const Tables& tables) const;
  void log_dry_run(const lsmtpd_envelope& envelope, const Decision& decision);
  void answer(sdk::Call call, const Decision& decision);
  void look_again_later();

  Instance& instance_;
  const lsmtpd::common::DecisionCounter decided_;
  sdk::Timer timer_;
  lsmtpd::log_lines::LineLimit lines_;  // of a dry run
};

class Instance : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::tables("rules", kRuleColumns,
                          "looked at in their order; the first that matches decides"),
      sdk::option::duration("refresh", "5s",
                            "how often files are looked at; 0s: only at the start"),
      sdk::option::boolean("dry_run", "false", "only log the verdicts"),
  };
  static constexpr const char* command_name = "map";
  static constexpr const char* command_usage = kMapUsage;
  static int command(sdk::Config, const std::vector<std::string_view>& arguments,
                     sdk::Terminal terminal) {
    return run_map(arguments, terminal);
  }

  static void validate(sdk::Config config, sdk::Report report) {
    TableSet files([](uint64_t) { return std::make_shared<int>(0); });
    const auto rules = read_rules(
        config, files,
        [&](const std::string& key, const std::string& what) { report.error(key, what); });
    if (rules.empty()) report.warning("rules", "there are none, so everything goes on");
    load(rules, files, report);
  }

  Instance(sdk::Host host, sdk::Config config)
      : sdk::Instance(host, config),
        dry_run_(config.boolean("dry_run")),
        refresh_(config.duration("refresh")),
        files_([host](uint64_t bytes) -> std::shared_ptr<void> {
          auto reserved = std::make_shared<sdk::Reservation>(host.reserve(bytes));
          return *reserved ? reserved : nullptr;
        }),
        rules_(read_rules(config, files_, [](const std::string&, const std::string&) {})),
        has_more_than_refusals_(std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) {
          const bool has_file =
              std::any_of(rule.conditions.begin(), rule.conditions.end(),
                          [](const Condition& condition) { return condition.file.has_value(); });
          return has_file || rule.verdict.action == Verdict::Action::accept ||
                 rule.verdict.action == Verdict::Action::annotate;
        })) {}

  bool start(sdk::Report& report) override {
    bool good = true;
    for (size_t i = 0; i < files_.size(); ++i) {
      const std::string error = files_.load(i);
      if (error.empty()) continue;
      report.error("rules", files_.path(i) + ": " + error);
      good = false;
    }
    return good;
  }
  std::unique_ptr<Lane> open_lane(const sdk::LaneHost& lane_host) {
    return std::make_unique<Lane>(lane_host, *this);
  }

  // Blocks on the disk. [one thread at a time]
  void look_again() {
    for (const TableSet::Change& change : files_.refresh()) {
      if (change.table)
        host().info("read a changed list",
                    {{"file", change.path}, {"bytes", change.table->bytes()}});
      else
        host().error("cannot read a changed list, so the old one stays",
                     {{"file", change.path}, {"error", change.error}});
    }
  }

  // Only these verdicts say more about a message than its recipients were told.
  bool decides_on_messages() const { return !dry_run_ && has_more_than_refusals_; }
  bool dry_run() const { return dry_run_; }
  milliseconds refresh() const { return files_.size() == 0 ? milliseconds(0) : refresh_; }
  const std::vector<Rule>& rules() const { return rules_; }
  std::shared_ptr<const Tables> tables() const { return files_.current(); }

 private:
  // For `check`: each file that cannot be used, and each that has entries for nothing.
  static void load(const std::vector<Rule>& rules, TableSet& files, const sdk::Report& report) {
    for (size_t i = 0; i < rules.size(); ++i) {
      for (const Condition& condition : rules[i].conditions) {
        if (!condition.file) continue;
        const std::string key =
            "rules[" + std::to_string(i) + "]." + std::string(file_option(condition.subject));
        const std::string path = files.path(*condition.file), error = files.load(*condition.file);
        if (!error.empty()) {
          report.error(key, path + ": " + error);
          continue;
        }
        const auto table = (*files.current())[*condition.file];
        const std::string useless = useless_entries(condition, table->image());
        if (!useless.empty()) report.warning(key, path + ": " + useless);
      }
    }
  }

  const bool dry_run_;
  const milliseconds refresh_;
  TableSet files_;
  const std::vector<Rule> rules_;
  const bool has_more_than_refusals_;
};

Lane::Lane(sdk::LaneHost host, Instance& instance)
    : sdk::Lane(std::move(host)),
      instance_(instance),
      decided_(this->host(), instance.dry_run(),
               {Decided::proceed, Decided::accept, Decided::reject, Decided::tempfail}) {
  if (this->host().worker() == 0) look_again_later();
}

void Lane::look_again_later() {
  if (instance_.refresh() == milliseconds(0)) return;
  timer_ = host().timer(instance_.refresh(), [this] {
    host().offload([this] { instance_.look_again(); }, [this] { look_again_later(); });
  });
}

std::string rule_name(const Decision& decision) {
  return "rules[" + std::to_string(decision.rule) + "]";
}

bool refuses(const Verdict& verdict) {
  return verdict.action == Verdict::Action::reject || verdict.action == Verdict::Action::tempfail;
}

Decided decided_by(const Verdict& verdict) {
  switch (verdict.action) {
    case Verdict::Action::accept:
      return Decided::accept;
    case Verdict::Action::reject:
      return Decided::reject;
    case Verdict::Action::tempfail:
      return Decided::tempfail;
    default:
      return Decided::proceed;
  }
}

bool Lane::was_decided(const lsmtpd_session_event& event, const Tables& tables) const {
  if (event.phase == LSMTPD_PHASE_CONNECT) return false;
  lsmtpd_envelope before = *event.envelope;
  if (event.phase == LSMTPD_PHASE_AUTH) before.auth = nullptr;
  const Facts facts(before, phase_before(event.phase), std::nullopt);
  return first_match(instance_.rules(), tables, facts).verdict != nullptr;
}

void Lane::log_dry_run(const lsmtpd_envelope& envelope, const Decision& decision) {
  const auto left_out = lines_.admit(host().now_ms());
  if (!left_out) return;
  const Verdict& verdict = *decision.verdict;
  host().info("would refuse", {{"rule", rule_name(decision)},
                               {"verdict", word_of(verdict.action)},
                               {"code", verdict.code},
                               {"text", verdict.text},
                               {"peer", sdk::view(envelope.peer_address)},
                               {"id", sdk::view(envelope.id)},
                               {"left_out", *left_out}});
}

void Lane::answer(sdk::Call call, const Decision& decision) {
  const Verdict& verdict = *decision.verdict;
  decided_.add(decided_by(verdict));
  const std::string detail = rule_name(decision);
  if (verdict.action == Verdict::Action::accept) return call.accept();
  if (verdict.action == Verdict::Action::reject)
    return call.reject(verdict.text.empty() ? "Access denied" : verdict.text, verdict.code,
                       verdict.enhanced.empty() ? "5.7.1" : verdict.enhanced, detail);
  if (verdict.action == Verdict::Action::tempfail)
    return call.tempfail(verdict.text.empty() ? "Try again later" : verdict.text,
                         verdict.code != 0 ? verdict.code : 450,
                         verdict.enhanced.empty() ? "4.7.1" : verdict.enhanced, detail);
  call.proceed();  // annotations are the message's: message()
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  const lsmtpd_envelope& envelope = *event.envelope;
  const auto tables = instance_.tables();
  if (event.phase == LSMTPD_PHASE_DATA) {
    if (all_accepted(decisions(envelope, *tables))) return call.accept();
    return call.proceed();  // each recipient was decided on at RCPT
  }
  std::optional<uint64_t> recipient;
  if (event.phase == LSMTPD_PHASE_RCPT) recipient = envelope.recipient_count - 1;
  const Facts facts(envelope, event.phase, recipient);
  const Decision decision = first_match(instance_.rules(), *tables, facts);
  if (decision.verdict == nullptr) {
    decided_.add(Decided::proceed);
    return call.proceed();
  }
  if (!instance_.dry_run()) return answer(std::move(call), decision);
  // One line and one count for each refusal, although the later phases come to it again.
  const bool again = refuses(*decision.verdict) && was_decided(event, *tables);
  if (!again) decided_.add(decided_by(*decision.verdict));
  if (refuses(*decision.verdict) && !again) log_dry_run(envelope, decision);
  call.proceed();
}

std::vector<Decision> Lane::decisions(const lsmtpd_envelope& envelope, const Tables& tables) const {
  std::vector<Decision> list;
  if (!instance_.decides_on_messages()) return list;
  for (uint64_t i = 0; i < envelope.recipient_count; ++i)
    list.push_back(first_match(instance_.rules(), tables, Facts(envelope, LSMTPD_PHASE_DATA, i)));
  return list;
}

// A verdict that refuses was an answer to RCPT; here it can only come of a list that has changed
// since.
void Lane::message(sdk::Call call, sdk::FilterMessage message) {
  const auto tables = instance_.tables();
  const std::vector<Decision> list = decisions(message.envelope(), *tables);
  std::map<std::string_view, std::string> notes;
  for (const Decision& decision : list) {
    const Verdict* verdict = decision.verdict;
    if (verdict == nullptr || verdict->action != Verdict::Action::annotate) continue;
    std::string& value = notes[verdict->key];
    if (has_item(value, verdict->value)) continue;
    value += (value.empty() ? "" : ",") + verdict->value;
  }
  const std::string prefix = std::string(host().name()) + ".";
  for (const auto& [key, value] : notes)
    if (!message.annotate(prefix + std::string(key), value))
      return call.tempfail("Insufficient system storage, try again later", 452, "4.3.1",
                           "no memory for an annotation");
  if (all_accepted(list)) return call.accept();
  call.proceed();
}

}  // namespace

LSMTPD_PLUGIN(Instance, "filter_access", "1.0.0", "lsmtpd", "rules that decide who may send");
