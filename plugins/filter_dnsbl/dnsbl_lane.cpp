// SPDX-License-Identifier: Apache-2.0
#include "dnsbl_lane.hpp"

#include <algorithm>

#include "subjects.hpp"

namespace filter_dnsbl {

namespace {

using lsmtpd::common::Decided;
using std::chrono::milliseconds;
// TTLs are followed within these: a list that forbids keeping its answers is not asked for each
// recipient, and one that is wrong for a year is asked again.
constexpr uint64_t kLeastTtl = 5, kMostTtl = 86'400;  // s
constexpr uint64_t kBeforeDeadlineMs = 200;           // the host's; the reply has to be made
constexpr milliseconds kTextTimeout{1'000};

}  // namespace

Lane::Lane(sdk::LaneHost lane_host, Shared& shared)
    : sdk::Lane(std::move(lane_host)),
      shared_(shared),
      settings_(shared.settings),
      decided_(host(), settings_.dry_run,
               {Decided::proceed, Decided::reject, Decided::tempfail, Decided::error}),
      tests_(host(), shared) {
  if (host().worker() == 0) tests_.start();
}

bool Lane::is_skipped(const lsmtpd_envelope& envelope) const {
  if (envelope.auth != nullptr) return true;
  const auto address = lsmtpd::mail_names::parse_ip(sdk::view(envelope.peer_address));
  if (!address || (settings_.skip_private && is_private(*address))) return true;
  return std::any_of(settings_.exempt.begin(), settings_.exempt.end(), [&](const auto& network) {
    return network.address.v6 == address->v6 && address->network(network.prefix) == network.address;
  });
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  if (is_skipped(*event.envelope)) return call.proceed();
  const Key id = call.id();
  Decision& decision = decisions_[id];
  decision.call = std::move(call);
  decision.notes = host().annotations(event);
  decision.peer = sdk::view(event.envelope->peer_address);
  auto timeout = static_cast<uint64_t>(settings_.timeout.count());
  if (event.deadline_ms != 0) {
    timeout = std::min(timeout, event.deadline_ms > 2 * kBeforeDeadlineMs
                                    ? event.deadline_ms - kBeforeDeadlineMs
                                    : event.deadline_ms / 2);
  }
  decision.ends_ms = host().now_ms() + timeout;
  decision.waiting = 1;  // no verdict before every list is asked
  ask_lists(id, *event.envelope);
  settle(id);
}

void Lane::ask_lists(Key id, const lsmtpd_envelope& envelope) {
  const auto address = lsmtpd::mail_names::parse_ip(sdk::view(envelope.peer_address));
  Decision& decision = decisions_.at(id);
  decision.subject = {address->text(), helo_domain(sdk::view(envelope.helo)),
                      sender_domain(sdk::view(envelope.reverse_path))};
  for (size_t i = 0; i < settings_.lists.size(); ++i) {
    const List& list = settings_.lists[i];
    const std::string& subject = decision.subject[static_cast<size_t>(list.by)];
    if (subject.empty() || !shared_.states[i].is_on(host().now_ms())) continue;
    const std::string cached_as =
        std::to_string(i) + " " + (list.by == By::address ? cache_key(*address) : subject);
    if (const auto kept = shared_.cache.find(cached_as, host().now_ms())) {
      take(id, i, kept->codes);
    } else {
      ask(id, i, cached_as, question_name(decision, list));
    }
  }
  if (decision.waiting == 1) return;
  const uint64_t now = host().now_ms();
  decision.deadline =
      host().timer(milliseconds(decision.ends_ms > now ? decision.ends_ms - now : 0), [this, id] {
        const auto found = decisions_.find(id);
        if (found == decisions_.end()) return;
        found->second.failed = true;
        found->second.waiting = 1;
        settle(id);
      });
}

void Lane::ask(Key id, size_t list, const std::string& cached_as, const std::string& name) {
  Decision& decision = decisions_.at(id);
  const auto found = lookups_.find(cached_as);
  if (found != lookups_.end()) {
    found->second.waiters.push_back(id);
    ++decision.waiting;
    return;
  }
  // Longer than one decision waits: the answer is kept for the client's next attempt.
  auto question = host().query(
      name, LSMTPD_DNS_A, settings_.timeout,
      [this, cached_as](const lsmtpd_dns_answer& answer) { answered(cached_as, answer); });
  if (!question) {  // a name that is too long, or too many questions
    decision.failed = true;
    return;
  }
  lookups_.emplace(cached_as, Lookup{list, std::move(question), {id}});
  ++decision.waiting;
}

void Lane::answered(const std::string& cached_as, const lsmtpd_dns_answer& answer) {
  const auto found = lookups_.find(cached_as);
  if (found == lookups_.end()) return;
  const std::string key = cached_as;
  const Lookup lookup = std::move(found->second);
  lookups_.erase(found);
  const auto codes = codes_of(answer);
  const bool failed = take_failure(lookup.list, answer);
  if (!failed) {
    const uint64_t ttl = std::clamp<uint64_t>(answer.ttl, kLeastTtl, kMostTtl);
    shared_.cache.put(key, {codes}, host().now_ms() + ttl * 1000);
  }
  for (const Key id : lookup.waiters) {
    const auto decision = decisions_.find(id);
    // Its deadline has passed.
    if (decision == decisions_.end() || decision->second.waiting == 0) continue;
    if (failed) {
      decision->second.failed = true;
    } else {
      take(id, lookup.list, codes);
    }
    settle(id);
  }
}

// True: the list said nothing of use.
bool Lane::take_failure(size_t index, const lsmtpd_dns_answer& answer) {
  const List& list = settings_.lists[index];
  ListState& state = shared_.states[index];
  const auto codes = codes_of(answer);
  if (!is_answer(answer)) {
    if (state.failed() && state.switch_off(host().now_ms(), ListState::kPauseMs)) {
      host().warn("the list does not answer and is not asked for a minute",
                  {{"list", list.name}, {"reason", list.hidden(failure_text(answer))}});
    }
    return true;
  }
  state.answered();
  const auto error = std::find_if(codes.begin(), codes.end(), is_list_error);
  if (error == codes.end()) return false;
  if (state.switch_off(host().now_ms(), ListState::kErrorMs)) {
    host().warn("the list answers with an error and is not asked for an hour",
                {{"list", list.name},
                 {"code", code_text(*error)},
                 {"hint",
                  "lists answer so to a zone with a typing error, to public resolvers, and "
                  "after too many questions"}});
  }
  return true;
}

void Lane::take(Key id, size_t index, const std::vector<Code>& codes) {
  const List& list = settings_.lists[index];
  if (std::any_of(codes.begin(), codes.end(), [&](Code code) { return list.codes.counts(code); }))
    decisions_.at(id).add(index, list);
}

// One thing that the decision waited for is there.
void Lane::settle(Key id) {
  Decision& decision = decisions_.at(id);
  if (--decision.waiting == 0) judge(id);
}

std::string Lane::names_of(const Decision& decision) const {
  std::string names;
  for (const size_t index : decision.listed_by)
    names += (names.empty() ? "" : " ") + settings_.lists[index].name;
  return names;
}

// The list that the client is told: the first that blocks.
const List& Lane::named_list(const Decision& decision) const {
  return settings_
      .lists[*std::find_if(decision.listed_by.begin(), decision.listed_by.end(),
                           [&](size_t index) { return !settings_.lists[index].allow; })];
}

std::string Lane::question_name(const Decision& decision, const List& list) const {
  const std::string& subject = decision.subject[static_cast<size_t>(list.by)];
  const auto address = lsmtpd::mail_names::parse_ip(decision.peer);
  return (list.by == By::address ? reversed(*address) : subject) + "." + list.zone;
}

void Lane::annotate(const Decision& decision) const {
  const std::string prefix(host().name());
  if (decision.listed_by.empty()) return;
  decision.notes.set(prefix + ".score", std::to_string(decision.score));
  decision.notes.set(prefix + ".lists", names_of(decision));
}

void Lane::judge(Key id) {
  Decision& decision = decisions_.at(id);
  decision.deadline.cancel();
  const bool reject = settings_.reject_at > 0 && decision.score >= settings_.reject_at;
  const bool tempfail = settings_.tempfail_at > 0 && decision.score >= settings_.tempfail_at;
  std::sort(decision.listed_by.begin(), decision.listed_by.end());
  annotate(decision);
  decided_.add(reject            ? Decided::reject
               : tempfail        ? Decided::tempfail
               : decision.failed ? Decided::error
                                 : Decided::proceed);
  if (reject || tempfail) return settings_.dry_run ? pretend(id, reject) : ask_text(id, reject);
  if (decision.failed && settings_.tempfail_on_error && !settings_.dry_run) {
    decision.call.tempfail("Cannot look your address up, try again later", 451, "4.4.3",
                           "a list did not answer");
  } else {
    decision.call.proceed();
  }
  finish(id);
}

// One for each listed client would be as many as clients like.
void Lane::log(const Decision& decision, const char* line, bool for_good) {
  const auto left_out = lines_.admit(host().now_ms());
  if (!left_out) return;
  host().info(line, {{"peer", decision.peer},
                     {"lists", names_of(decision)},
                     {"score", decision.score},
                     {"verdict", for_good ? "reject" : "tempfail"},
                     {"left_out", *left_out}});
}

void Lane::pretend(Key id, bool for_good) {
  Decision& decision = decisions_.at(id);
  log(decision, "would refuse", for_good);
  decision.call.proceed();
  finish(id);
}

// The list's own words, where the reply has a place for them and there is time.
void Lane::ask_text(Key id, bool for_good) {
  Decision& decision = decisions_.at(id);
  const uint64_t now = host().now_ms();
  if (settings_.reply.wants_text() && decision.ends_ms > now) {
    const auto timeout = std::min(kTextTimeout, milliseconds(decision.ends_ms - now));
    auto question = host().query(
        question_name(decision, named_list(decision)), LSMTPD_DNS_TXT, timeout,
        [this, id, for_good](const lsmtpd_dns_answer& answer) {
          const auto found = decisions_.find(id);
          if (found == decisions_.end()) return;
          const bool has_text = is_answer(answer) && answer.count > 0;
          refuse(found->second, for_good,
                 has_text ? std::string(sdk::view(answer.records[0].data)) : std::string());
          finish(id);
        });
    if (question) {
      texts_[id] = std::move(question);
      return;
    }
  }
  refuse(decision, for_good, {});
  finish(id);
}

void Lane::refuse(Decision& decision, bool for_good, const std::string& text) {
  const List& list = named_list(decision);
  const std::string names = names_of(decision);
  const std::string reply =
      settings_.reply.fill({decision.subject[static_cast<size_t>(list.by)], decision.peer,
                            list.name, list.hidden(text), std::to_string(decision.score)});
  const std::string detail = "listed by " + names + ", score " + std::to_string(decision.score);
  log(decision, "the client is listed", for_good);
  if (for_good) {
    decision.call.reject(reply, 554, "5.7.1", detail);
  } else {
    decision.call.tempfail(reply, 450, "4.7.1", detail);
  }
}

void Lane::finish(Key id) {
  texts_.erase(id);
  decisions_.erase(id);
}

// The question goes on, for the cache.
void Lane::cancel(lsmtpd_call call) {
  const auto found = decisions_.find(call);
  if (found == decisions_.end()) return;
  found->second.call.tempfail({}, 0, {}, "cancelled");
  finish(call);
}

void Lane::close(sdk::Closed closed) {
  for (auto& [id, decision] : decisions_) {
    if (settings_.tempfail_on_error) {
      decision.call.tempfail({}, 0, {}, "the daemon stops");
    } else {
      decision.call.proceed();
    }
  }
  decisions_.clear();
  texts_.clear();
  lookups_.clear();
  closed();
}

}  // namespace filter_dnsbl
