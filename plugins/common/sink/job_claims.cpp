// SPDX-License-Identifier: Apache-2.0
// JobLane, second part: bodies that are stored apart before their copy is queued.
#include "job_lane.hpp"

namespace lsmtpd::sink {

void JobLane::store(Part* part, Target target) {
  const std::uint64_t number = ++last_storing_;
  part->storing = number;
  Claims::Order order{host(), part->job->message, part->recipients, part->copy_id,
                      [this, number](Claims::Result result) { stored(number, std::move(result)); }};
  storing_.emplace(number, Storing{part, std::move(target), claims_->put(std::move(order))});
}

// A result that comes all the same finds nothing.
void JobLane::store_no_more(Part* part) {
  const auto found = storing_.find(part->storing);
  claims_->drop(found->second.ticket);
  storing_.erase(found);
  part->storing = 0;
}

void JobLane::stored(std::uint64_t number, Claims::Result result) {
  claims_->tell(host(), result);
  const auto found = storing_.find(number);
  if (found == storing_.end()) return;
  Part* part = found->second.part;
  const Target target = std::move(found->second.target);
  storing_.erase(found);
  part->storing = 0;
  part->claim = std::move(result.claim);
  if (result.failed) return part_done(*part, std::move(result.outcome));
  // The broker may have gone meanwhile.
  if (const std::string why = unavailable(); !why.empty()) return part_done(*part, not_sent(why));
  route(part, target);
  routed();
}

// Keeps the body where another attempt may have published the reference: an earlier one that is in
// doubt, or a later one that began when the host waited no more.
void JobLane::remove_claim(const Part& part) {
  if (part.claim == nullptr || part.job->in_doubt || part.job->overdue) return;
  claims_->remove(part.copy_id);
}

void JobLane::probe_claims(ProbeRun& probe, std::function<void()> next) {
  if (claims_ == nullptr) return next();
  claims_->probe(
      host(), [&probe, next = std::move(next)](const std::string& store, const std::string& why) {
        if (why.empty()) {
          probe.good(Step::claim_check, store + ": a body was stored and deleted");
        } else {
          probe.bad(Step::claim_check, store + ": " + why);
        }
        next();
      });
}

}  // namespace lsmtpd::sink
