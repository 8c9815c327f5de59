// SPDX-License-Identifier: Apache-2.0
#include "job.hpp"

#include <algorithm>
#include <map>

namespace lsmtpd::amqp {

namespace {

Target target_for(const Options& options, const lsmtpd_envelope& envelope,
                  std::string_view recipient) {
  Target target;
  target.by_exchange = options.by_exchange;
  if (options.by_exchange) {
    target.exchange = options.exchange.expand(envelope, recipient);
    target.routing_key = options.routing_key.expand(envelope, recipient);
  } else {
    target.address = options.address.expand(envelope, recipient);
  }
  return target;
}

bool depends_on_recipient(const Options& options) {
  return options.address.by_recipient() || options.exchange.by_recipient() ||
         options.routing_key.by_recipient();
}

std::string_view recipient(const lsmtpd_envelope& envelope, std::uint32_t place) {
  const lsmtpd_str address = lsmtpd_recipient_at(&envelope, place)->address;
  return {address.data, address.size};
}

}  // namespace

std::size_t most_copies(const Options& options, const lsmtpd_envelope& envelope) {
  if (!options.split && !depends_on_recipient(options)) return 1;
  return std::max<std::size_t>(1, static_cast<std::size_t>(envelope.recipient_count));
}

std::vector<PlannedCopy> plan(const Options& options, const lsmtpd_envelope& envelope) {
  const auto count = static_cast<std::uint32_t>(envelope.recipient_count);
  if (count == 0) return {PlannedCopy{target_for(options, envelope, {}), {}, {}}};
  if (!options.split && !depends_on_recipient(options)) {
    return {PlannedCopy{target_for(options, envelope, recipient(envelope, 0)), {}, {}}};
  }
  std::vector<PlannedCopy> copies;
  std::map<std::string, std::size_t> by_key;
  for (std::uint32_t i = 0; i < count; ++i) {
    Target target = target_for(options, envelope, recipient(envelope, i));
    // The number stays the same where other recipients are gone, and so does the copy's id.
    const std::string number = std::to_string(lsmtpd_recipient_at(&envelope, i)->number);
    const std::string key = options.split ? number : target.key();
    const auto [found, fresh] = by_key.try_emplace(key, copies.size());
    if (fresh) copies.push_back(PlannedCopy{std::move(target), {}, "." + number});
    copies[found->second].recipients.push_back(i);
  }
  if (copies.size() == 1 && envelope.recipient_total == count) copies[0].suffix.clear();
  return copies;
}

const Outcome& verdict_of(const Job& job) {
  const auto rank = [](const Part& part) {
    return part.outcome.kind == Kind::later ? 2 : part.outcome.kind == Kind::rejected ? 1 : 0;
  };
  const auto worst =
      std::max_element(job.parts.begin(), job.parts.end(),
                       [&](const Part& a, const Part& b) { return rank(a) < rank(b); });
  return worst->outcome;
}

bool differ(const Job& job) {
  return std::any_of(job.parts.begin(), job.parts.end(), [&](const Part& part) {
    return part.outcome.kind != job.parts[0].outcome.kind;
  });
}

}  // namespace lsmtpd::amqp
