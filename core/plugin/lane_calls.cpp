// SPDX-License-Identifier: Apache-2.0
// The calls of a lane: each puts its question into the form of the ABI and asks the plugin.
#include "plugin/lane.hpp"
#include "plugin/lane_extensions.hpp"

namespace lsmtpd::plugin {

static_assert(static_cast<uint32_t>(message::Phase::connect) == LSMTPD_PHASE_CONNECT &&
              static_cast<uint32_t>(message::Phase::helo) == LSMTPD_PHASE_HELO &&
              static_cast<uint32_t>(message::Phase::auth) == LSMTPD_PHASE_AUTH &&
              static_cast<uint32_t>(message::Phase::mail) == LSMTPD_PHASE_MAIL &&
              static_cast<uint32_t>(message::Phase::rcpt) == LSMTPD_PHASE_RCPT &&
              static_cast<uint32_t>(message::Phase::data) == LSMTPD_PHASE_DATA);

namespace {

// In the log: the ABI's extension and function.
const char* function_of(CallKind kind) {
  switch (kind) {
    case CallKind::filter:
      return "filter.message";
    case CallKind::decide:
      return "session_filter.decide";
    case CallKind::deliver:
      return "output.deliver";
    case CallKind::list:
      return "replay.list";
    case CallKind::load:
      return "replay.load";
    case CallKind::forget:
      return "replay.forget";
    case CallKind::dead_letter:
      return "replay.dead_letter";
    case CallKind::count:
      return "replay.count";
    case CallKind::probe:
      return "probe.probe";
    case CallKind::verify:
      return "auth.verify";
  }
  return "a call";
}

}  // namespace

template <class Give>
std::optional<Completion> Lane::put(std::unique_ptr<Question> question, Done done, CallId& call,
                                    Give&& give) {
  call = 0;
  if (is_closed_) return Completion::make(Kind::tempfail, "the lane is closed");
  return calls_.put(std::move(question), std::move(done), call, [&](CallId c, const Question& q) {
    return guarded(function_of(q.kind), [&] { give(c, q); });
  });
}

std::optional<Completion> Lane::filter(const message::Message& message, uint64_t deadline_ms,
                                       Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::filter);
  question->view =
      View::make(message, View::Rights::edit, loop_, instance_.process_.resources, lent_);
  question->filter = {.size = sizeof(lsmtpd_filter_event),
                      .reserved = 0,
                      .edits = question->view->edits_abi(),
                      .annotations = question->view->annotation_edits().abi(),
                      .deadline_ms = deadline_ms};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.filter_->message(lane_, c, q.view->abi(), &q.filter);
  });
}

std::optional<Completion> Lane::decide(const SessionEvent& event, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::decide);
  question->envelope = event.envelope;
  question->envelope_view = std::make_unique<EnvelopeView>(*question->envelope);
  question->annotation_edits =
      std::make_unique<AnnotationEdits>(event.annotations, instance_.process_.resources.memory);
  question->event = {.size = sizeof(lsmtpd_session_event),
                     .phase = static_cast<uint32_t>(event.phase),
                     .session = event.session,
                     .declared_size = event.declared_size,
                     .envelope = question->envelope_view->get(),
                     .annotations = question->annotation_edits->abi(),
                     .deadline_ms = event.deadline_ms};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.session_filter_->decide(lane_, c, &q.event);
  });
}

std::optional<Completion> Lane::verify(const AuthQuestion& given, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::verify);
  // Copies: the session may be gone before the plugin answers. The password is cleared with them.
  question->envelope = given.envelope;
  question->envelope_view = std::make_unique<EnvelopeView>(*question->envelope);
  question->authorization = given.authorization;
  question->user = given.user;
  question->password = Secret(given.password);
  question->credentials = {.size = sizeof(lsmtpd_credentials),
                           .mechanism = given.mechanism,
                           .session = given.session,
                           .authorization = str(question->authorization),
                           .user = str(question->user),
                           .password = str(question->password.view()),
                           .envelope = question->envelope_view->get(),
                           .deadline_ms = given.deadline_ms};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.auth_->verify(lane_, c, &q.credentials);
  });
}

std::optional<Completion> Lane::deliver(const message::Message& message, DeliveryFacts delivery,
                                        Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::deliver);
  question->view =
      View::make(message, View::Rights::annotate, loop_, instance_.process_.resources, lent_);
  question->delivery = std::move(delivery);
  const DeliveryFacts& d = question->delivery;
  question->abi_delivery = {.size = sizeof(lsmtpd_delivery),
                            .flags = (d.replay ? LSMTPD_DELIVERY_REPLAY : 0) |
                                     (d.in_doubt ? LSMTPD_DELIVERY_IN_DOUBT : 0),
                            .copy_id = str(d.copy_id.empty() ? message.envelope->id : d.copy_id),
                            .target = str(d.target),
                            .reason = str(d.reason),
                            .deadline_ms = d.deadline_ms,
                            .attempts = d.attempts,
                            .reserved = 0,
                            .annotations = question->view->annotation_edits().abi()};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.output_->deliver(lane_, c, q.view->abi(), &q.abi_delivery);
  });
}

std::optional<Completion> Lane::list(bool restart, uint32_t most, Done done, CallId& call) {
  return put(std::make_unique<Question>(CallKind::list), std::move(done), call,
             [&](CallId c, const Question&) { instance_.replay_->list(lane_, c, restart, most); });
}

std::optional<Completion> Lane::load(const std::string& copy_id, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::load);
  question->copy_id = copy_id;
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.replay_->load(lane_, c, str(q.copy_id));
  });
}

std::optional<Completion> Lane::forget(const std::string& copy_id, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::forget);
  question->copy_id = copy_id;
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.replay_->forget(lane_, c, str(q.copy_id));
  });
}

std::optional<Completion> Lane::dead_letter(const std::string& copy_id, const std::string& reason,
                                            Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::dead_letter);
  question->copy_id = copy_id;
  question->reason = reason;
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.replay_->dead_letter(lane_, c, str(q.copy_id), str(q.reason));
  });
}

std::optional<Completion> Lane::count(const std::string& target, uint64_t most, Done done,
                                      CallId& call) {
  auto question = std::make_unique<Question>(CallKind::count);
  question->copy_id = target;
  return put(std::move(question), std::move(done), call, [this, most](CallId c, const Question& q) {
    instance_.replay_->count(lane_, c, str(q.copy_id), most);
  });
}

std::optional<Completion> Lane::probe(const lsmtpd_probe_report* report, Done done, CallId& call) {
  return put(std::make_unique<Question>(CallKind::probe), std::move(done), call,
             [&](CallId c, const Question&) { instance_.probe_->probe(lane_, c, report); });
}

void Lane::abandon(CallId call, Done late) {
  const auto kind = calls_.abandon(call, std::move(late));
  if (!kind) return;
  const auto cancel = *kind == CallKind::filter    ? instance_.filter_->cancel
                      : *kind == CallKind::decide  ? instance_.session_filter_->cancel
                      : *kind == CallKind::verify  ? instance_.auth_->cancel
                      : *kind == CallKind::deliver ? instance_.output_->cancel
                                                   : nullptr;
  if (cancel) guarded("cancel", [&] { cancel(lane_, call); });
}

}  // namespace lsmtpd::plugin
