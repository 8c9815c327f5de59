// SPDX-License-Identifier: Apache-2.0
// One worker's part: asks lists about clients and makes verdicts.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "decision.hpp"
#include "decision_counter.hpp"
#include "dnsbl_shared.hpp"
#include "log_lines/line_limit.hpp"
#include "test_points.hpp"

namespace filter_dnsbl {

class Lane : public sdk::Lane, public sdk::SessionFilter {
 public:
  Lane(sdk::LaneHost lane_host, Shared& shared);

  void decide(sdk::Call call, const lsmtpd_session_event& event) override;
  void cancel(lsmtpd_call call) override;
  void close(sdk::Closed closed) override;

 private:
  using Key = lsmtpd_call;
  // A question to a list, and the decisions that wait for it.
  struct Lookup {
    size_t list = 0;
    sdk::Question question;
    std::vector<Key> waiters;
  };

  bool is_skipped(const lsmtpd_envelope& envelope) const;
  void ask_lists(Key id, const lsmtpd_envelope& envelope);
  void ask(Key id, size_t list, const std::string& cached_as, const std::string& name);
  void answered(const std::string& cached_as, const lsmtpd_dns_answer& answer);
  void take(Key id, size_t list, const std::vector<Code>& codes);
  bool take_failure(size_t list, const lsmtpd_dns_answer& answer);
  void settle(Key id);
  void judge(Key id);
  void pretend(Key id, bool for_good);
  void log(const Decision& decision, const char* line, bool for_good);
  void ask_text(Key id, bool for_good);
  void refuse(Decision& decision, bool for_good, const std::string& text);
  const List& named_list(const Decision& decision) const;
  std::string question_name(const Decision& decision, const List& list) const;
  void annotate(const Decision& decision) const;
  std::string names_of(const Decision& decision) const;
  void finish(Key id);

  Shared& shared_;
  const Settings& settings_;
  const lsmtpd::common::DecisionCounter decided_;
  std::map<Key, Decision> decisions_;
  std::unordered_map<std::string, Lookup> lookups_;  // by the key of the cache
  std::map<Key, sdk::Question> texts_;               // TXT for a refusal
  TestPoints tests_;
  lsmtpd::log_lines::LineLimit lines_;
};

}  // namespace filter_dnsbl
