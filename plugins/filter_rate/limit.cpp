// SPDX-License-Identifier: Apache-2.0
#include "limit.hpp"

#include <mail_names/mail_names.hpp>

#include <algorithm>
#include <array>

namespace lsmtpd::rate {
namespace {

using Per = Limit::Per;
using Count = Limit::Count;

constexpr std::array<std::string_view, 6> kPer = {"client",        "user",      "sender",
                                                  "sender_domain", "recipient", "recipient_domain"};
constexpr std::array<std::string_view, 4> kCount = {"connections", "messages", "recipients",
                                                    "bytes"};

template <class Enum, size_t count>
Enum number_of(std::string_view word, const std::array<std::string_view, count>& words) {
  return static_cast<Enum>(std::find(words.begin(), words.end(), word) - words.begin());
}

class Reader {
 public:
  Reader(sdk::Config row, size_t number, const Mistake& mistake)
      : row_(row), prefix_("limits[" + std::to_string(number) + "]"), mistake_(mistake) {}

  Limit limit() {
    limit_.per = number_of<Per>(row_.string("per"), kPer);
    limit_.count = number_of<Count>(row_.string("count"), kCount);
    limit_.code = static_cast<uint32_t>(row_.integer("code"));
    limit_.text = row_.string("text");
    limit_.shown = prefix_ + ": " + std::string(row_.string("rate")) + " " +
                   std::string(row_.string("count")) + " per " + std::string(row_.string("per"));
    if (limit_.count == Count::connections && limit_.per != Per::client)
      wrong("count", "connections are counted per client only: nothing else is known then");
    if (limit_.code != 0 && limit_.code < 400)
      wrong("code", "a refusal has a code from 400 to 599");
    take_size();
    return std::move(limit_);
  }

 private:
  void wrong(const char* column, const std::string& text) {
    mistake_(prefix_ + "." + column, text);
  }
  void take_size() {
    const bool bytes = limit_.count == Count::bytes;
    std::string problem;
    const auto rate = parse_rate(row_.string("rate"), bytes, problem);
    if (!rate) return wrong("rate", problem);
    limit_.size = {rate->amount, rate->per_ms()};
    if (!row_.is_set("burst")) return;
    const auto burst = parse_amount(row_.string("burst"), bytes);
    if (!burst) return wrong("burst", "it is a whole number from 1 on");
    limit_.size.burst = *burst;
  }

  sdk::Config row_;
  std::string prefix_;
  const Mistake& mistake_;
  Limit limit_;
};

bool contains(const mail_names::Network& network, const mail_names::Ip& ip) {
  return network.address.v6 == ip.v6 && ip.network(network.prefix) == network.address;
}

}  // namespace

std::vector<Limit> read_limits(sdk::Config config, const Mistake& mistake) {
  std::vector<Limit> limits;
  for (const sdk::Config& row : config.tables("limits"))
    limits.push_back(Reader(row, limits.size(), mistake).limit());
  return limits;
}

bool Owners::is_exempt(const lsmtpd_envelope& envelope) const {
  if (exempt_.empty()) return false;
  const auto ip = mail_names::parse_ip(sdk::view(envelope.peer_address));
  return ip && std::any_of(exempt_.begin(), exempt_.end(),
                           [&](const auto& network) { return contains(network, *ip); });
}

std::optional<uint64_t> Owners::find(const Limit& limit, uint16_t number,
                                     const lsmtpd_envelope& envelope, uint64_t recipient) const {
  std::string owner(1, static_cast<char>(number & 0xff));
  owner += static_cast<char>(number >> 8);
  const bool of_domain = limit.per == Per::sender_domain || limit.per == Per::recipient_domain;
  if (limit.per == Per::client) {
    // An authenticated client counts as its user, at any address.
    if (envelope.auth != nullptr) return std::nullopt;
    const auto ip = mail_names::parse_ip(sdk::view(envelope.peer_address));
    if (!ip) return std::nullopt;
    const auto network = ip->network(ip->v6 ? prefixes_.v6 : prefixes_.v4);
    owner += network.v6 ? '6' : '4';
    owner.append(reinterpret_cast<const char*>(network.bytes.data()), network.bytes.size());
  } else if (limit.per == Per::user) {
    if (envelope.auth == nullptr) return std::nullopt;
    owner += sdk::view(envelope.auth->user);
  } else {
    const mail_names::Address address = mail_names::normal_address(
        limit.of_recipient() ? sdk::view(lsmtpd_recipient_at(&envelope, recipient)->address)
                             : sdk::view(envelope.reverse_path));
    // Bounces of the whole world have the null sender in common, and nothing else.
    if (address.null) return std::nullopt;
    owner += of_domain ? address.domain : mail_names::joined(address);
  }
  const uint64_t hash = common::siphash(key_, owner);
  return hash == 0 ? 1 : hash;
}

}  // namespace lsmtpd::rate
