// SPDX-License-Identifier: Apache-2.0
#include "summary.hpp"

#include <algorithm>
#include <iterator>
#include <mail_json/json_text.hpp>
#include <mail_json/timestamp.hpp>
#include <set>

#include "entry.hpp"
#include "stored_header.hpp"
#include "terminal_text.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::int64_t kHour = 3600ll * 1'000'000'000;

struct Age {
  const char* name;
  std::int64_t below_ns;
};
constexpr Age kAges[] = {{"under 5 min", kHour / 12},
                         {"under 1 h", kHour},
                         {"under 6 h", 6 * kHour},
                         {"under 1 d", 24 * kHour},
                         {"1 d and more", INT64_MAX}};

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

}  // namespace

void Summary::Tally::add(const Entry& entry) {
  ++messages;
  bytes += entry.size;
  read = true;
  if (oldest_ns == 0 || entry.first_ns < oldest_ns) oldest_ns = entry.first_ns;
}

void Summary::Table::add(std::string_view word, const Entry& entry) {
  if (word.size() > kLongestWord) word = word.substr(0, kLongestWord);
  auto found = words_.find(word);
  if (found == words_.end()) {
    if (words_.size() >= kMostWords) return others_.add(entry);
    found = words_.emplace(word, Tally()).first;
  }
  found->second.add(entry);
}

std::vector<Summary::Row> Summary::Table::rows() const {
  std::vector<Row> rows;
  for (const auto& [word, tally] : words_) rows.push_back({word, tally});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.tally.messages > b.tally.messages; });
  if (others_.messages > 0) rows.push_back({"(others)", others_});
  return rows;
}

void Summary::add(const Entry& entry) {
  states_[static_cast<std::size_t>(entry.state)].add(entry);
  const std::int64_t age = now_ns_ - entry.first_ns;
  const auto* of = std::find_if(std::begin(kAges), std::end(kAges) - 1,
                                [&](const Age& each) { return age < each.below_ns; });
  ages_[of - kAges].add(entry);
  if (!entry.problem.empty()) {
    reasons_.add("cannot be read", entry);
    return;
  }
  const std::string& output = entry.mail.bookkeeping.target;
  outputs_.add(output.empty() ? "(none)" : output, entry);
  reasons_.add(entry.reason.empty() ? "(none)" : entry.reason, entry);
  add_domains(entry);
}

// A message counts once for each domain of its recipients.
void Summary::add_domains(const Entry& entry) {
  std::set<std::string> seen;
  for (const auto& recipient : entry.mail.recipients) {
    const std::size_t at = recipient.address.rfind('@');
    const bool none = at == std::string::npos;
    std::string domain = none ? "(none)" : in_small_letters(recipient.address.substr(at + 1));
    if (seen.insert(domain).second) domains_.add(domain, entry);
  }
}

void Summary::set_count(State state, std::uint64_t messages) {
  states_[static_cast<std::size_t>(state)].messages = messages;
}

std::string Summary::table_text(const char* title, const std::vector<Row>& rows) const {
  if (rows.empty()) return {};
  std::string out = "\n" + padded("messages", 10) + padded("size", 12) + padded("oldest", 12) +
                    "  " + title + "\n";
  Tally rest;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i >= kShown) {
      rest.messages += rows[i].tally.messages;
      continue;
    }
    const Tally& tally = rows[i].tally;
    out += padded(std::to_string(tally.messages), 10) + padded(size_text(tally.bytes), 12) +
           padded(age_text(now_ns_ - tally.oldest_ns), 12) + "  " + terminal_text(rows[i].word) +
           "\n";
  }
  if (rest.messages > 0)
    out += padded(std::to_string(rest.messages), 10) + std::string(24, ' ') + "  in " +
           std::to_string(rows.size() - kShown) + " more rows, which --json has\n";
  return out;
}

std::vector<Summary::Row> Summary::age_rows() const {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < std::size(kAges); ++i) {
    if (ages_[i].messages > 0) rows.push_back({kAges[i].name, ages_[i]});
  }
  return rows;
}

std::string Summary::text() const {
  std::string out;
  for (const State state : kStates) {
    const Tally& tally = states_[static_cast<std::size_t>(state)];
    out += name_of(state) + std::string(": ") + std::to_string(tally.messages);
    if (tally.read)
      out += ", " + size_text(tally.bytes) + ", oldest " + age_text(now_ns_ - tally.oldest_ns);
    out += "\n";
  }
  out += table_text("output", outputs_.rows());
  out += table_text("reason", reasons_.rows());
  out += table_text("age", age_rows());
  out += table_text("domain", domains_.rows());
  return out;
}

std::string Summary::json() const {
  mail_json::Text text;
  const auto put = [&](const Tally& tally) {
    text.key("messages").number(tally.messages);
    if (!tally.read) return;
    text.key("bytes").number(tally.bytes);
    text.key("oldest").string(mail_json::format_timestamp(tally.oldest_ns));
  };
  text.open('{');
  text.key("states").open('{');
  for (const State state : kStates) {
    text.key(name_of(state)).open('{');
    put(states_[static_cast<std::size_t>(state)]);
    text.close('}');
  }
  text.close('}');
  const auto table = [&](const char* key, const char* word, const std::vector<Row>& rows) {
    text.key(key).open('[');
    for (const Row& row : rows) {
      text.open('{');
      text.key(word).string(row.word);
      put(row.tally);
      text.close('}');
    }
    text.close(']');
  };
  table("outputs", "output", outputs_.rows());
  table("reasons", "reason", reasons_.rows());
  table("ages", "age", age_rows());
  table("domains", "domain", domains_.rows());
  text.close('}');
  return text.take() + "\n";
}

}  // namespace lsmtpd::json_spool
