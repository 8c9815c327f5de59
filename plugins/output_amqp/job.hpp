// SPDX-License-Identifier: Apache-2.0
// A call of the host and the copies it becomes: usually one, several where a message is split by
// address or recipient.
//
// plan() says which copies there are; what became of each is gathered in its Part, and verdict_of()
// makes the one answer of them. Recipients whose copy was accepted while others were not are
// written into an annotation, so that the fallback's replay only sends what remains. The lane owns
// the jobs, a job its parts; links only point to them. [loop]
#pragma once

#include <proton/delivery.h>

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "amqp_options.hpp"
#include "disposition.hpp"

namespace lsmtpd::amqp {

struct Job;
class Link;
class Producer;

// Where a copy goes, before the broker's product decides how that is written.
struct Target {
  std::string address;
  std::string exchange;
  std::string routing_key;
  bool by_exchange = false;

  // The same for the same place.
  std::string key() const { return by_exchange ? exchange + '\n' + routing_key : address; }
};

struct Part {
  enum class Phase { queued, sent, done };

  Job* job = nullptr;
  Link* link = nullptr;
  std::vector<std::uint32_t> recipients;  // places in the envelope; empty: all
  std::string copy_id;
  Phase phase = Phase::queued;
  pn_delivery_t* delivery = nullptr;   // Proton's, while sent
  std::size_t slot = 0;                // in the link's list of what is sent
  std::uint64_t bytes = 0;             // counted as in flight while sent
  std::shared_ptr<Producer> producer;  // of a large message
  Outcome outcome;
};

struct Job {
  sdk::Call call;
  sdk::Message message;
  bool replay = false;
  bool overdue = false;  // the host no longer waits, and the broker has it
  std::uint64_t overdue_since = 0;
  std::vector<Part> parts;
  std::size_t open = 0;  // parts without an outcome
  sdk::Reservation memory;
};

struct PlannedCopy {
  Target target;
  std::vector<std::uint32_t> recipients;  // empty: all
  std::string suffix;  // of the copy id: "", or ".N" with the number of its first recipient
};

// The most copies that a message can become.
std::size_t most_copies(const Options& options, const lsmtpd_envelope& envelope);
// The copies of a message, for the recipients that it has.
std::vector<PlannedCopy> plan(const Options& options, const lsmtpd_envelope& envelope);

// The outcome of all parts: not now while any of them may still be stored, else refused, else
// stored.
const Outcome& verdict_of(const Job& job);
// The parts have not all the same kind of outcome: recipients are answered one by one.
bool differ(const Job& job);

}  // namespace lsmtpd::amqp
