// SPDX-License-Identifier: Apache-2.0
// One worker's part: asks the application, and turns its answers into verdicts.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <map>
#include <string>

#include "asking.hpp"
#include "decision_counter.hpp"
#include "http_shared.hpp"
#include "log_lines/line_limit.hpp"
#include "question.hpp"

namespace filter_http {

class Lane : public sdk::Lane, public sdk::SessionFilter, public sdk::Filter {
 public:
  Lane(sdk::LaneHost lane_host, Shared& shared);

  void decide(sdk::Call call, const lsmtpd_session_event& event) override;
  void message(sdk::Call call, sdk::FilterMessage message) override;
  void cancel(lsmtpd_call call) override;  // of both interfaces
  void close(sdk::Closed closed) override;

 private:
  void ask_about_session(sdk::Call call, const lsmtpd_session_event& event);
  void with_content(sdk::Call call, sdk::FilterMessage message);
  void ask_about_message(sdk::Call call, sdk::FilterMessage message, std::string_view content);
  std::chrono::milliseconds timeout_within(uint64_t deadline_ms) const;
  std::string cache_key(const lsmtpd_envelope& envelope) const;
  void keep(const std::string& key, const Answer& answer);
  void fail(sdk::Call& call, const std::string& problem);
  void give(sdk::Call& call, const Answer& answer);
  bool annotate(const sdk::Annotations& notes, const Answer& answer) const;
  void edit_and_give(sdk::Call call, sdk::FilterMessage message, const Answer& answer);
  // Counts the decision. True: it is not to be carried out.
  bool pretends(const Answer& answer, std::string_view about);

  Shared& shared_;
  const Settings& settings_;
  const lsmtpd::common::DecisionCounter decided_;
  std::map<lsmtpd_call, sdk::Call> calls_;  // whose answer is on its way
  Asking asking_;
  lsmtpd::log_lines::LineLimit lines_;  // of a dry run
};

}  // namespace filter_http
