// SPDX-License-Identifier: Apache-2.0
#include "rules.hpp"

#include <array>

#include "pattern.hpp"

namespace lsmtpd::access {
namespace {

using Subject = Condition::Subject;

struct ListOption {
  Subject subject;
  const char* key;
  const char* file;
};
constexpr std::array<ListOption, 5> kLists = {{
    {Subject::client, "client", "client_file"},
    {Subject::client_name, "client_name", "client_name_file"},
    {Subject::helo, "helo", "helo_file"},
    {Subject::sender, "sender", "sender_file"},
    {Subject::recipient, "recipient", "recipient_file"},
}};

class Reader {
 public:
  Reader(sdk::Config row, std::string prefix, TableSet& files, const Mistake& mistake)
      : row_(row), prefix_(std::move(prefix)), files_(files), mistake_(mistake) {}

  Rule rule() {
    Rule rule;
    const std::string wrong = parse_verdict(row_.string("verdict"), rule.verdict);
    if (!wrong.empty()) mistake_(prefix_ + "verdict", wrong);
    // The conditions that cost least and are known first stand first.
    words(rule, Subject::listener, "listener");
    list(rule, kLists[0]);
    state(rule, Subject::tls, "tls");
    state(rule, Subject::auth, "auth");
    words(rule, Subject::user, "user");
    for (size_t i = 1; i < kLists.size(); ++i) list(rule, kLists[i]);
    return rule;
  }

 private:
  void words(Rule& rule, Subject subject, const char* key) {
    Condition condition;
    condition.subject = subject;
    for (const std::string_view word : row_.list(key)) condition.words.emplace_back(word);
    if (!condition.words.empty()) rule.conditions.push_back(std::move(condition));
  }

  void state(Rule& rule, Subject subject, const char* key) {
    if (!row_.is_set(key)) return;
    const std::string_view word = row_.string(key);
    Condition condition;
    condition.subject = subject;
    condition.state = word == "none"       ? Condition::State::none
                      : word == "verified" ? Condition::State::verified
                                           : Condition::State::any;
    rule.conditions.push_back(std::move(condition));
  }

  void list(Rule& rule, const ListOption& option) {
    const auto entries = row_.list(option.key);
    const std::string_view file = row_.string(option.file);
    if (entries.empty() && file.empty()) return;
    Condition condition;
    condition.subject = option.subject;
    if (!entries.empty()) {
      std::string error;
      condition.entries = Table::of_entries(entries, error);
      if (condition.entries) error = useless_entries(condition, condition.entries->image());
      if (!error.empty()) mistake_(prefix_ + option.key, error);
    }
    if (!file.empty()) condition.file = files_.add(std::string(file));
    rule.conditions.push_back(std::move(condition));
  }

  sdk::Config row_;
  std::string prefix_;
  TableSet& files_;
  const Mistake& mistake_;
};

}  // namespace

std::vector<Rule> read_rules(sdk::Config config, TableSet& files, const Mistake& mistake) {
  std::vector<Rule> rules;
  const auto rows = config.tables("rules");
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string prefix = "rules[" + std::to_string(i) + "].";
    rules.push_back(Reader(rows[i], prefix, files, mistake).rule());
  }
  return rules;
}

std::string useless_entries(const Condition& condition, const Image& image) {
  const ImageHeader& h = image.header();
  uint64_t useless = 0;
  const char* kind = "";
  switch (condition.subject) {
    case Subject::client:
      useless = h.addresses + h.names;
      kind = "networks or addresses of clients";
      break;
    case Subject::client_name:
    case Subject::helo:
      useless = h.addresses + (condition.subject == Subject::client_name ? h.networks : 0);
      kind = "host names";
      break;
    case Subject::sender:
    case Subject::recipient:
      useless = h.networks;
      kind = "addresses or domains";
      break;
    default:
      break;
  }
  if (useless == 0) return {};
  return std::to_string(useless) + (useless == 1 ? " entry is none of " : " entries are none of ") +
         kind + ", and never matches";
}

std::string_view file_option(Condition::Subject subject) {
  for (const ListOption& option : kLists)
    if (option.subject == subject) return option.file;
  return {};
}

}  // namespace lsmtpd::access
