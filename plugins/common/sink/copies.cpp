// SPDX-License-Identifier: Apache-2.0
#include "copies.hpp"

#include <algorithm>
#include <functional>
#include <map>

namespace lsmtpd::sink {

namespace {

std::string_view recipient(const lsmtpd_envelope& envelope, std::uint32_t place) {
  const lsmtpd_str address = lsmtpd_recipient_at(&envelope, place)->address;
  return {address.data, address.size};
}

}  // namespace

Target target_for(const TargetOptions& options, const lsmtpd_envelope& envelope,
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

bool depends_on_recipients(const TargetOptions& options, const lsmtpd_envelope& envelope) {
  return envelope.recipient_count > 0 && (options.split || options.by_recipient());
}

std::size_t count_copies(const TargetOptions& options, const lsmtpd_envelope& envelope) {
  if (!depends_on_recipients(options, envelope)) return 1;
  const auto count = static_cast<std::uint32_t>(envelope.recipient_count);
  if (options.split) return count;
  std::vector<std::size_t> hashes;
  hashes.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Target target = target_for(options, envelope, recipient(envelope, i));
    hashes.push_back(std::hash<std::string>()(target.key()));
  }
  std::sort(hashes.begin(), hashes.end());
  return static_cast<std::size_t>(std::unique(hashes.begin(), hashes.end()) - hashes.begin());
}

std::vector<PlannedCopy> plan(const TargetOptions& options, const lsmtpd_envelope& envelope) {
  const auto count = static_cast<std::uint32_t>(envelope.recipient_count);
  if (count == 0) return {PlannedCopy{target_for(options, envelope, {}), {}, {}}};
  if (!depends_on_recipients(options, envelope)) {
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

}  // namespace lsmtpd::sink
