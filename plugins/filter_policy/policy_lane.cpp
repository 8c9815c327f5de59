// SPDX-License-Identifier: Apache-2.0
#include "policy_lane.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::policy {

using common::Decided;
using std::chrono::milliseconds;

Lane::Lane(const sdk::LaneHost& host, Shared& shared)
    : sdk::Lane(host),
      shared_(shared),
      decided_(host, shared.dry_run,
               {Decided::proceed, Decided::accept, Decided::reject, Decided::tempfail,
                Decided::discard, Decided::error}),
      pool_(host, shared.pool, shared.addresses) {}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  // A transaction whose end was not told, since another filter refused MAIL after this one.
  if (event.phase == LSMTPD_PHASE_MAIL) transactions_.end(event.session);
  Asked asked;
  asked.call = std::move(call);
  asked.session = event.session;
  asked.phase = event.phase;
  ask({event.envelope, event.phase, event.declared_size, host().worker()},
      milliseconds(event.deadline_ms), std::move(asked));
}

void Lane::message(sdk::Call call, sdk::FilterMessage message) {
  Asked asked;
  asked.call = std::move(call);
  asked.message = message;
  asked.session = message.envelope().session;
  asked.phase = kEndOfMessage;
  if (!(shared_.phases & kEndOfMessage)) return go_on(std::move(asked));
  ask({&message.envelope(), kEndOfMessage, message.size(), host().worker()}, message.deadline(),
      std::move(asked));
}

void Lane::ask(const Question& question, milliseconds host_waits, Asked asked) {
  const lsmtpd_call id = asked.call.id();
  asked.peer = sdk::view(question.envelope->peer_address);
  asked.id = sdk::view(question.envelope->id);
  // The host would answer for the plugin, with a verdict that says nothing of the service.
  const milliseconds deadline = host_waits > milliseconds(0)
                                    ? std::min(shared_.timeout, host_waits * 9 / 10)
                                    : shared_.timeout;
  Asked& kept = asked_[id] = std::move(asked);
  kept.request = pool_.ask(request_text(question), deadline,
                           [this, id](const std::string& text, const std::string& error) {
                             const auto found = asked_.find(id);
                             if (found == asked_.end()) return;
                             Asked taken = std::move(found->second);
                             asked_.erase(found);
                             answered(std::move(taken), text, error);
                           });
}

void Lane::cancel(lsmtpd_call call) {
  const auto found = asked_.find(call);
  if (found == asked_.end()) return;
  pool_.cancel(found->second.request);
  asked_.erase(found);  // answers the call
}

void Lane::answered(Asked asked, const std::string& text, const std::string& error) {
  if (!error.empty()) {
    if (const auto left_out = shared_.outage.failed(host().now_ms()))
      host().warn("the policy service gives no answer",
                  {{"error", error}, {"left_out", *left_out}});
    return give_up(std::move(asked), "the policy service gives no answer: " + error);
  }
  if (shared_.outage.answered()) host().info("the policy service answers again");
  carry_out(std::move(asked), parse_action(text));
}

void Lane::carry_out(Asked asked, const Action& action) {
  switch (action.kind) {
    case Action::Kind::accept:
      decided_.add(Decided::accept);
      // Postfix skips the rest of its list of restrictions; filters of content are not in that.
      if (asked.phase != kEndOfMessage && !shared_.dry_run) return asked.call.accept();
      return go_on(std::move(asked));
    case Action::Kind::proceed:
      decided_.add(Decided::proceed);
      return go_on(std::move(asked));
    case Action::Kind::reject:
    case Action::Kind::tempfail:
      return refuse(std::move(asked), action);
    case Action::Kind::prepend:
      return prepend(std::move(asked), action.text);
    case Action::Kind::discard:
      return discard(std::move(asked), action.text);
    case Action::Kind::note:
      decided_.add(Decided::proceed);
      if (const auto left_out = notes_.admit(host().now_ms()))
        host().info("the policy service notes", {{"text", action.text},
                                                 {"peer", asked.peer},
                                                 {"id", asked.id},
                                                 {"left_out", *left_out}});
      return go_on(std::move(asked));
    case Action::Kind::unknown:
      if (const auto left_out = mistakes_.admit(host().now_ms()))
        host().warn("the policy service answered with an action that lsmtpd cannot carry out",
                    {{"action", action.text}, {"id", asked.id}, {"left_out", *left_out}});
      return give_up(std::move(asked), "cannot carry out: " + action.text);
  }
}

bool Lane::only_logs(const Asked& asked, std::string_view action, const std::string& text) {
  if (!shared_.dry_run) return false;
  if (const auto left_out = notes_.admit(host().now_ms()))
    host().info("the policy service would decide", {{"action", action},
                                                    {"text", text},
                                                    {"peer", asked.peer},
                                                    {"id", asked.id},
                                                    {"left_out", *left_out}});
  return true;
}

void Lane::refuse(Asked asked, const Action& action) {
  const bool for_good = action.kind == Action::Kind::reject;
  decided_.add(for_good ? Decided::reject : Decided::tempfail);
  if (only_logs(asked, for_good ? "reject" : "tempfail", action.text))
    return go_on(std::move(asked));
  if (for_good)
    return asked.call.reject(
        action.text.empty() ? "Access denied" : action.text, action.code != 0 ? action.code : 554,
        action.enhanced.empty() ? "5.7.1" : action.enhanced, "the policy service said so");
  asked.call.tempfail(action.text.empty() ? "Service unavailable, try again later" : action.text,
                      action.code != 0 ? action.code : 450,
                      action.enhanced.empty() ? "4.7.1" : action.enhanced,
                      "the policy service said so");
}

void Lane::prepend(Asked asked, const std::string& text) {
  decided_.add(Decided::proceed);
  if (only_logs(asked, "prepend", text)) return go_on(std::move(asked));
  const std::string field = header_field(text);
  // There is no message yet that a field before MAIL could belong to.
  const bool has_message = asked.phase >= LSMTPD_PHASE_MAIL;
  if (field.empty() || !has_message || !transactions_.prepend(asked.session, field)) {
    if (const auto left_out = mistakes_.admit(host().now_ms()))
      host().warn("a header field of the policy service was left out",
                  {{"field", text}, {"id", asked.id}, {"left_out", *left_out}});
  }
  go_on(std::move(asked));
}

void Lane::discard(Asked asked, const std::string& reason) {
  if (asked.phase < LSMTPD_PHASE_MAIL && !shared_.dry_run)
    return give_up(std::move(asked), "there is no message yet to discard");
  decided_.add(Decided::discard);
  if (only_logs(asked, "discard", reason)) return go_on(std::move(asked));
  transactions_.discard(asked.session, "the policy service said so: " + reason);
  go_on(std::move(asked));
}

void Lane::give_up(Asked asked, const std::string& why) {
  decided_.add(Decided::error);
  if (shared_.dry_run || shared_.on_error == "continue") return go_on(std::move(asked));
  if (shared_.on_error == "reject")
    return asked.call.reject("The policy service failed", 554, "5.3.5", why);
  asked.call.tempfail("The policy service failed, try again later", 451, "4.3.5", why);
}

void Lane::go_on(Asked asked) {
  const Transaction* todo = asked.message ? transactions_.find(asked.session) : nullptr;
  if (todo == nullptr) return asked.call.proceed();
  if (todo->discard) return asked.call.discard(*todo->discard);
  for (const std::string& field : todo->fields)
    if (!asked.message->prepend_header(field))
      return asked.call.tempfail("Insufficient system storage, try again later", 452, "4.3.1",
                                 "no memory for a header field");
  asked.call.proceed();
}

}  // namespace lsmtpd::policy
