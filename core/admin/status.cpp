// SPDX-License-Identifier: Apache-2.0
#include "admin/status.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "admin/json.hpp"
#include "metrics/families.hpp"

namespace lsmtpd::admin {

namespace {

using metrics::FamilyValues;
using metrics::SeriesValue;
using metrics::Snapshot;

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Of a time by the clock of reports.
double epoch_of(uint64_t report_ms) {
  return epoch_seconds() - static_cast<double>(server::report_clock_ms() - report_ms) / 1000;
}

const FamilyValues* find(const Snapshot& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const auto& family) { return family.info.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string_view label(const FamilyValues& family, const SeriesValue& series,
                       std::string_view name) {
  for (size_t i = 0; i < family.info.labels.size(); ++i) {
    if (family.info.labels[i] == name) return series.labels[i];
  }
  return {};
}

// The value of the one series whose label `key` is `value`; none: nothing is put.
void put_value(cJSON* to, const char* as, const Snapshot& all, std::string_view name,
               std::string_view key, std::string_view value) {
  const auto* family = find(all, name);
  if (!family) return;
  for (const auto& series : family->series) {
    if (label(*family, series, key) == value) put(to, as, series.value);
  }
}

double value_of(const Snapshot& all, std::string_view name, std::string_view account) {
  const auto* family = find(all, name);
  if (!family) return 0;
  for (const auto& series : family->series) {
    if (account.empty() || label(*family, series, "account") == account) return series.value;
  }
  return 0;
}

void put_process(cJSON* status, const Board& board, const Snapshot& all, uint64_t unready_ms) {
  const auto facts = board.facts();
  const auto why = board.unready(unready_ms, {}, true);
  put(status, "version", facts->version);
  put(status, "hostname", facts->hostname);
  put(status, "pid", static_cast<double>(::getpid()));
  put(status, "time", epoch_seconds());
  put(status, "started", board.started());
  put(status, "phase", phase_name(board.phase()));
  put_bool(status, "ready", why.empty());
  Json reasons = json_array();
  for (const auto& reason : why) append(reasons.get(), reason);
  put(status, "reasons", std::move(reasons));
  put(status, "workers", static_cast<double>(board.reports().size()));
  Json config = json_object();
  put(config.get(), "file", facts->config_file);
  put_bool(config.get(), "last_load_successful",
           value_of(all, metrics::kReloadSuccessful.name, {}) != 0);
  put(config.get(), "last_load", value_of(all, metrics::kReloadTime.name, {}));
  put(status, "config", std::move(config));
}

Json listeners_of(const Board& board, const Snapshot& all) {
  Json list = json_array();
  for (const auto& listener : board.facts()->listeners) {
    Json one = json_object();
    put(one.get(), "name", listener.name);
    put(one.get(), "chain", listener.chain);
    put(one.get(), "protocol", listener.protocol);
    Json addresses = json_array();
    for (const auto& address : listener.addresses) append(addresses.get(), address);
    put(one.get(), "addresses", std::move(addresses));
    put_value(one.get(), "connections", all, metrics::kConnections.name, "listener", listener.name);
    put_value(one.get(), "bytes", all, metrics::kReceivedBytes.name, "listener", listener.name);
    append(list.get(), std::move(one));
  }
  return list;
}

void put_state(cJSON* to, const Board::State& state) {
  put_bool(to, "ready", state.ready);
  put(to, "reason", state.reason);
  put(to, "since", epoch_of(state.since_ms));
}

Json chains_of(const Board& board) {
  Json list = json_array();
  for (const auto& [name, state] : board.chains()) {
    Json one = json_object();
    put(one.get(), "name", name);
    put_state(one.get(), state);
    append(list.get(), std::move(one));
  }
  return list;
}

// By url, for outputs with several brokers.
Json broker_connections_of(const Snapshot& all, std::string_view plugin) {
  Json urls = json_object();
  const auto* family = find(all, "lsmtpd_output_connections");
  if (!family) return urls;
  for (const auto& series : family->series) {
    if (label(*family, series, "plugin") != plugin) continue;
    put(urls.get(), std::string(label(*family, series, "url")).c_str(), series.value);
  }
  return urls;
}

Json outputs_of(const Board& board, const Snapshot& all) {
  Json list = json_array();
  const auto facts = board.facts();
  for (const auto& [name, output] : board.outputs()) {
    Json one = json_object();
    put(one.get(), "name", name);
    const auto use = facts->plugin_uses.find(name);
    put(one.get(), "use", use == facts->plugin_uses.end() ? "" : use->second);
    put_state(one.get(), output.state);
    put(one.get(), "fallback", output.fallback);
    put_bool(one.get(), "held", output.held);
    for (const char* figure : {"up", "credit", "unsettled", "held", "reconnects_total"}) {
      const std::string key = figure == std::string_view("held") ? "waiting" : figure;
      put_value(one.get(), key.c_str(), all, std::string("lsmtpd_output_") + figure, "plugin",
                name);
    }
    put(one.get(), "connections", broker_connections_of(all, name));
    append(list.get(), std::move(one));
  }
  return list;
}

Json spools_of(const Snapshot& all) {
  Json list = json_array();
  const auto* messages = find(all, "lsmtpd_spool_messages");
  if (!messages) return list;
  std::set<std::string_view> plugins;
  for (const auto& series : messages->series) plugins.insert(label(*messages, series, "plugin"));
  for (const auto plugin : plugins) {
    Json one = json_object();
    put(one.get(), "name", plugin);
    Json states = json_object();
    for (const auto& series : messages->series) {
      if (label(*messages, series, "plugin") != plugin) continue;
      put(states.get(), std::string(label(*messages, series, "state")).c_str(), series.value);
    }
    put(one.get(), "messages", std::move(states));
    put_value(one.get(), "bytes", all, "lsmtpd_spool_bytes", "plugin", plugin);
    put_value(one.get(), "oldest", all, "lsmtpd_spool_oldest_message_timestamp_seconds", "plugin",
              plugin);
    append(list.get(), std::move(one));
  }
  return list;
}

Json certificates_of(const Snapshot& all) {
  Json list = json_array();
  const auto* family = find(all, "lsmtpd_tls_certificate_not_after_timestamp_seconds");
  if (!family) return list;
  for (const auto& series : family->series) {
    Json one = json_object();
    put(one.get(), "name", label(*family, series, "certificate"));
    put(one.get(), "not_after", series.value);
    append(list.get(), std::move(one));
  }
  return list;
}

Json messages_of(const Snapshot& all) {
  Json results = json_object();
  std::map<std::string, double> sums;
  if (const auto* family = find(all, metrics::kMessages.name)) {
    for (const auto& series : family->series)
      sums[std::string(label(*family, series, "result"))] += series.value;
  }
  for (const auto& [result, count] : sums) put(results.get(), result.c_str(), count);
  return results;
}

// Those that came, over all listeners, the most frequent first.
Json refusals_of(const Snapshot& all) {
  using Kind = std::array<std::string, 3>;
  std::map<Kind, double> sums;
  if (const auto* family = find(all, metrics::kRefusals.name)) {
    for (const auto& series : family->series) {
      if (series.value == 0) continue;
      sums[{std::string(label(*family, series, "phase")),
            std::string(label(*family, series, "class")),
            std::string(label(*family, series, "reason"))}] += series.value;
    }
  }
  std::vector<std::pair<Kind, double>> sorted(sums.begin(), sums.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  Json list = json_array();
  for (const auto& [kind, count] : sorted) {
    Json one = json_object();
    put(one.get(), "phase", kind[0]);
    put(one.get(), "class", kind[1]);
    put(one.get(), "reason", kind[2]);
    put(one.get(), "count", count);
    append(list.get(), std::move(one));
  }
  return list;
}

Json limits_of(const Board& board, const Snapshot& all) {
  Json list = json_array();
  const auto add = [&](std::string_view name, double used, double limit, bool bytes) {
    Json one = json_object();
    put(one.get(), "name", name);
    put(one.get(), "used", used);
    put(one.get(), "limit", limit);
    put_bool(one.get(), "bytes", bytes);
    append(list.get(), std::move(one));
  };
  double connections = 0;
  if (const auto* family = find(all, metrics::kConnections.name)) {
    for (const auto& series : family->series) connections += series.value;
  }
  add("limits.connections", connections, board.facts()->connections_limit, false);
  if (const auto* family = find(all, metrics::kMemoryLimit.name)) {
    for (const auto& series : family->series) {
      const auto account = label(*family, series, "account");
      add("limits." + std::string(account), value_of(all, metrics::kMemory.name, account),
          series.value, true);
    }
  }
  add("file descriptors", value_of(all, "process_open_fds", {}),
      value_of(all, "process_max_fds", {}), false);
  return list;
}

Json holds_of(const Board& board) {
  Json list = json_array();
  for (const auto& [output, hold] : board.holds()) {
    Json one = json_object();
    put(one.get(), "output", output);
    put(one.get(), "since", hold.since);
    put(one.get(), "by", hold.by);
    append(list.get(), std::move(one));
  }
  return list;
}

Json history_of(const History& history) {
  Json object = json_object();
  put(object.get(), "step", static_cast<double>(History::kStepMs) / 1000);
  const auto column = [&](const char* name, double History::Sample::*member) {
    Json list = json_array();
    for (const auto& sample : history.samples()) append(list.get(), sample.*member);
    put(object.get(), name, std::move(list));
  };
  column("accepted", &History::Sample::accepted);
  column("refused", &History::Sample::refused);
  column("bytes", &History::Sample::bytes);
  column("connections", &History::Sample::connections);
  column("median", &History::Sample::median);
  column("p95", &History::Sample::p95);
  return object;
}

}  // namespace

std::string status_document(const Board& board, const Snapshot& all, const History& history,
                            uint64_t unready_ms) {
  const Json status = json_object();
  put_process(status.get(), board, all, unready_ms);
  put(status.get(), "listeners", listeners_of(board, all));
  put(status.get(), "chains", chains_of(board));
  put(status.get(), "outputs", outputs_of(board, all));
  put(status.get(), "spools", spools_of(all));
  put(status.get(), "messages", messages_of(all));
  put(status.get(), "refusals", refusals_of(all));
  put(status.get(), "limits", limits_of(board, all));
  put(status.get(), "certificates", certificates_of(all));
  put(status.get(), "holds", holds_of(board));
  put(status.get(), "history", history_of(history));
  return printed(status) + "\n";
}

}  // namespace lsmtpd::admin
