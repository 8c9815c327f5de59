// SPDX-License-Identifier: Apache-2.0
// A call of the host and its parts, one for each copy that the message becomes: usually one.
//
// The lane owns the jobs, a job its parts; outlets only point to them. The outcome of each part is
// kept in it, and the last one answers the call. [loop]
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <string>
#include <vector>

#include "claim.hpp"
#include "copy_outcome.hpp"
#include "producer.hpp"

namespace lsmtpd::sink {

class Outlet;
struct Job;

struct Part {
  enum class Phase { queued, sent, done };

  Job* job = nullptr;
  Outlet* outlet = nullptr;
  std::vector<std::uint32_t> recipients;  // places in the envelope; empty: all
  std::string copy_id;
  // They tell the targets of one outlet apart.
  std::string address;
  std::string routing_key;
  Phase phase = Phase::queued;
  std::uint64_t storing = 0;  // its number while its body is being stored apart; 0: it is not
  std::shared_ptr<const Claim> claim;  // its body is stored apart
  std::uint64_t bytes = 0;             // counted as in flight while sent
  std::size_t slot = 0;                // in the outlet's list of what is sent
  std::shared_ptr<Producer> producer;  // of a large message
  Outcome outcome;
};

struct Job {
  sdk::Call call;
  sdk::Message message;
  bool replay = false;
  bool in_doubt = false;  // an earlier attempt may have been stored
  bool overdue = false;   // the host waits no more
  std::vector<Part> parts;
  std::size_t open = 0;     // parts without an outcome
  sdk::Reservation memory;  // of the parts
  sdk::Reservation places;  // of the recipients in them
};

// The outcome of all parts: tempfail while any of them may still be stored, else refused, else
// stored.
const Outcome& verdict_of(const Job& job);

// Answers the call: recipient by recipient where the parts have not all the same kind of outcome.
void answer(Job& job);

}  // namespace lsmtpd::sink
