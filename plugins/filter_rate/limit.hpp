// SPDX-License-Identifier: Apache-2.0
// The limits of the option `limits`, and whose bucket an event belongs to.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <mail_names/ip.hpp>

#include <functional>
#include <keyed_hash.hpp>
#include <optional>
#include <string>
#include <vector>

#include "buckets.hpp"
#include "rate.hpp"

namespace lsmtpd::rate {

namespace sdk = lsmtpd::sdk;

inline constexpr lsmtpd_option kLimitColumns[] = {
    sdk::option::required(
        sdk::option::one_of("per", "client user sender sender_domain recipient recipient_domain",
                            nullptr, "whose bucket it is")),
    sdk::option::required(sdk::option::one_of("count", "connections messages recipients bytes",
                                              nullptr, "events that take from it")),
    sdk::option::required(sdk::option::string(
        "rate", nullptr, "so many in that time, after which the bucket is full again: \"100/1h\"")),
    sdk::option::string("burst", nullptr, "at once; default: the number of the rate"),
    sdk::option::integer("code", "0", "4xx or 5xx of the reply; 0: 421 at connect, 450 elsewhere",
                         0, 599),
    sdk::option::string("text", nullptr, "of the reply"),
};

struct Limit {
  enum class Per { client, user, sender, sender_domain, recipient, recipient_domain };
  enum class Count { connections, messages, recipients, bytes };
  Per per = Per::client;
  Count count = Count::messages;
  Size size;
  uint32_t code = 0;
  std::string text;
  std::string shown;  // "limits[0]: 100/1h messages per client"

  bool of_recipient() const { return per == Per::recipient || per == Per::recipient_domain; }
};

using Mistake = std::function<void(const std::string& key, const std::string& text)>;
std::vector<Limit> read_limits(sdk::Config config, const Mistake& mistake);

// The owners of buckets.
class Owners {
 public:
  struct Prefixes {
    unsigned v4 = 32, v6 = 64;
  };
  // The key is random: nobody can choose names that share a bucket.
  Owners(Prefixes prefixes, std::vector<mail_names::Network> exempt, common::HashKey key)
      : prefixes_(prefixes), exempt_(std::move(exempt)), key_(key) {}

  // The hash of the bucket's owner in this event; `recipient` is the number of the one in question,
  // where the limit is of recipients. Nothing: the limit is not for this event.
  std::optional<uint64_t> find(const Limit& limit, uint16_t number, const lsmtpd_envelope& envelope,
                               uint64_t recipient) const;
  bool is_exempt(const lsmtpd_envelope& envelope) const;

 private:
  Prefixes prefixes_;
  std::vector<mail_names::Network> exempt_;
  common::HashKey key_;
};

}  // namespace lsmtpd::rate
