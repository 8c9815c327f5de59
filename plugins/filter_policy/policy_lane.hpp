// SPDX-License-Identifier: Apache-2.0
// Asks the policy service for the sessions of one worker, and carries out its answers.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "action.hpp"
#include "connection_pool.hpp"
#include "decision_counter.hpp"
#include "log_lines/line_limit.hpp"
#include "log_lines/outage_lines.hpp"
#include "request.hpp"
#include "transactions.hpp"

namespace lsmtpd::policy {

// The settings of an instance, and what its lanes have in common.
struct Shared {
  Pool::Settings pool;
  uint32_t phases = 0;  // LSMTPD_PHASE_*, kEndOfMessage
  std::chrono::milliseconds timeout{0};
  std::string on_error;
  bool dry_run = false;
  sink::AddressBook addresses;
  log_lines::OutageLines outage;  // one line when it begins and one when it is over, for all
};

class Lane : public sdk::Lane, public sdk::SessionFilter, public sdk::Filter {
 public:
  Lane(const sdk::LaneHost& host, Shared& shared);

  void decide(sdk::Call call, const lsmtpd_session_event& event) override;
  void message(sdk::Call call, sdk::FilterMessage message) override;
  void cancel(lsmtpd_call call) override;
  void transaction_ended(const lsmtpd_transaction_end& end) override {
    transactions_.end(end.session);
  }
  void session_closed(uint64_t session) override { transactions_.end(session); }
  void close(sdk::Closed closed) override {
    pool_.close();
    asked_.clear();
    closed();
  }

 private:
  // One call, and the facts that are still needed when the answer is there.
  struct Asked {
    sdk::Call call;
    std::optional<sdk::FilterMessage> message;  // at the end of a message
    uint64_t session = 0;
    uint32_t phase = 0;
    std::string peer, id;
    uint64_t request = 0;  // its number in the pool
  };
  using Question = policy::Question;

  void ask(const Question& question, std::chrono::milliseconds host_waits, Asked asked);
  void answered(Asked asked, const std::string& text, const std::string& error);
  void carry_out(Asked asked, const Action& action);
  void refuse(Asked asked, const Action& action);
  void prepend(Asked asked, const std::string& text);
  void discard(Asked asked, const std::string& reason);
  void give_up(Asked asked, const std::string& why);
  // Answers with continue; a message gets the fields of its transaction first, or is discarded.
  void go_on(Asked asked);
  bool only_logs(const Asked& asked, std::string_view action, const std::string& text);

  Shared& shared_;
  const common::DecisionCounter decided_;
  Transactions transactions_;
  std::map<lsmtpd_call, Asked> asked_;
  Pool pool_;
  log_lines::LineLimit notes_, mistakes_;
};

}  // namespace lsmtpd::policy
