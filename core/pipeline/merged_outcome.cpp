// SPDX-License-Identifier: Apache-2.0
#include "pipeline/merged_outcome.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <string_view>

#include "smtp/replies.hpp"

namespace lsmtpd::pipeline {
namespace {

using Routes = std::list<RouteRun>;

bool is_good(Fate fate) {
  return fate == Fate::stored || fate == Fate::discarded;
}

// Tempfail beats a refusal: a client that tries again learns of the refusal then, and one that
// gives up would lose the other recipients.
int rank(Fate fate) {
  return fate == Fate::tempfail ? 3 : fate == Fate::rejected ? 2 : fate == Fate::stored ? 1 : 0;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Outcome of_all_routes(const Routes& routes, const std::string& id) {
  const Outcome* worst = nullptr;
  size_t good = 0;
  Outcome all;
  for (const auto& run : routes) {
    const Outcome& one = run.outcome();
    if (!worst || rank(one.fate) > rank(worst->fate)) worst = &one;
    good += is_good(one.fate);
    all.detail += (all.detail.empty() ? "" : "; ") +
                  (run.route().name.empty() ? "" : run.route().name + ": ") + one.detail;
    append(all.outputs, one.outputs);
    append(all.fallbacks, one.fallbacks);
    all.size = std::max(all.size, one.size);
  }
  all.fate = worst->fate;
  all.reason = worst->reason;
  all.by_filter = worst->by_filter;
  if (is_good(all.fate)) {
    all.reply = stored(id, {}).reply;
  } else if (good == 0) {
    all.reply = worst->reply;
  } else {
    all.mixed = true;
    all.reply = make(all.fate == Fate::tempfail ? smtp::replies::kSomeTempfailed
                                                : smtp::replies::kSomeRefused);
  }
  return all;
}

// The recipients that the routes have, by address; the same address may stand there twice.
class Delivered {
 public:
  struct Place {
    const RouteRun* run = nullptr;  // null: no route has it
    size_t place = 0;
  };

  explicit Delivered(const Routes& routes) {
    for (const auto& run : routes) {
      const auto& recipients = run.message().envelope->recipients;
      for (size_t i = 0; i < recipients.size(); ++i)
        places_[recipients[i].address].push_back({&run, i});
      left_ += recipients.size();
    }
  }

  Place take(std::string_view address) {
    const auto found = places_.find(address);
    if (found == places_.end() || found->second.empty()) return {};
    const Place place = found->second.front();
    found->second.pop_front();
    --left_;
    return place;
  }
  // Recipients that the client did not ask for: a filter added them, or put them in place of
  // others.
  bool has_others() const { return left_ > 0; }

 private:
  std::map<std::string_view, std::deque<Place>> places_;
  size_t left_ = 0;
};

// Each recipient's own reply, and how it came about. A recipient that a filter took away has what
// was asked for: it counts as stored. Where filters put others in its place, it has the outcome of
// the message.
void add_recipients(Outcome& outcome, const Routes& routes, const message::Envelope& asked_for) {
  Delivered delivered(routes);
  std::vector<Delivered::Place> places;
  for (const auto& recipient : asked_for.recipients)
    places.push_back(delivered.take(recipient.address));
  size_t stored_ones = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    RouteRun::OfRecipient one;
    const auto& [run, place] = places[i];
    if (run) {
      one = run->of_recipient(place);
    } else if (delivered.has_others()) {
      one = {outcome.fate, outcome.reply, "replaced by a filter"};
    } else {
      one.told = "was removed by a filter";
    }
    const bool good = is_good(one.fate);
    stored_ones += good;
    outcome.recipients.push_back(good ? stored(asked_for.id, {}).reply : std::move(one.reply));
    outcome.told.push_back("<" + asked_for.recipients[i].address + "> " + one.told);
  }
  outcome.mixed = stored_ones != 0 && stored_ones != places.size();
}

}  // namespace

Outcome merged_outcome(Routes& routes, const message::Envelope& asked_for) {
  Outcome outcome =
      routes.size() == 1 ? routes.front().take_outcome() : of_all_routes(routes, asked_for.id);
  if (routes.size() > 1 || routes.front().by_recipient())
    add_recipients(outcome, routes, asked_for);
  return outcome;
}

}  // namespace lsmtpd::pipeline
