// SPDX-License-Identifier: Apache-2.0
// The copies that a message becomes at a sink: usually one, several where it is split by target or
// by recipient. Pure.
#pragma once

#include <lsmtpd/message.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "template.hpp"

namespace lsmtpd::sink {

// Where messages go, as the options say it: by address, or by exchange and routing key.
struct TargetOptions {
  Template address;
  bool by_exchange = false;
  Template exchange;
  Template routing_key;
  bool split = false;  // one copy for each recipient

  bool is_fixed() const {
    return address.is_fixed() && exchange.is_fixed() && routing_key.is_fixed();
  }
  bool by_recipient() const {
    return address.by_recipient() || exchange.by_recipient() || routing_key.by_recipient();
  }
};

// Where a copy goes.
struct Target {
  std::string address;
  std::string exchange;
  std::string routing_key;
  bool by_exchange = false;

  // The same for the same place.
  std::string key() const { return by_exchange ? exchange + '\n' + routing_key : address; }
};

struct PlannedCopy {
  Target target;
  std::vector<std::uint32_t> recipients;  // empty: all
  std::string suffix;  // of the copy id: "", or ".N" with the number of its first recipient
};

// The target for one recipient; an empty one: none of the templates is by recipient.
Target target_for(const TargetOptions& options, const lsmtpd_envelope& envelope,
                  std::string_view recipient);

// Whether the copies depend on the recipients: then plan() keeps their places.
bool depends_on_recipients(const TargetOptions& options, const lsmtpd_envelope& envelope);

// The number of copies that plan() makes, without making them; 8 octets of memory for each
// recipient. Where two targets have one hash it is one too low.
std::size_t count_copies(const TargetOptions& options, const lsmtpd_envelope& envelope);

// The copies of a message, for the recipients that it has.
std::vector<PlannedCopy> plan(const TargetOptions& options, const lsmtpd_envelope& envelope);

}  // namespace lsmtpd::sink
