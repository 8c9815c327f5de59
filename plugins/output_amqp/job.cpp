// SPDX-License-Identifier: Apache-2.0
#include "job.hpp"

#include <algorithm>
#include <charconv>
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

std::string_view recipient(const lsmtpd_envelope& envelope, std::uint32_t number) {
  const lsmtpd_str address = envelope.recipients[number].address;
  return {address.data, address.size};
}

bool take_number(std::string_view* text, std::uint64_t* value) {
  const char* end = text->data() + text->size();
  const auto [last, error] = std::from_chars(text->data(), end, *value);
  if (error != std::errc{}) return false;
  text->remove_prefix(static_cast<std::size_t>(last - text->data()));
  return true;
}

}  // namespace

std::vector<PlannedCopy> plan(const Options& options, const lsmtpd_envelope& envelope,
                              const std::vector<std::uint32_t>& done) {
  const auto count = static_cast<std::uint32_t>(envelope.recipient_count);
  if (count == 0) return {PlannedCopy{target_for(options, envelope, {}), {}, {}}};
  if (!options.split && !depends_on_recipient(options)) {
    return {PlannedCopy{target_for(options, envelope, recipient(envelope, 0)), {}, {}}};
  }
  std::vector<PlannedCopy> copies;
  std::map<std::string, std::size_t> by_key;
  for (std::uint32_t i = 0; i < count; ++i) {
    Target target = target_for(options, envelope, recipient(envelope, i));
    const std::string key = options.split ? std::to_string(i) : target.key();
    const auto [found, fresh] = by_key.try_emplace(key, copies.size());
    if (fresh) copies.push_back(PlannedCopy{std::move(target), {}, "." + std::to_string(i)});
    copies[found->second].recipients.push_back(i);
  }
  if (copies.size() == 1) copies[0].suffix.clear();
  std::erase_if(copies, [&](const PlannedCopy& copy) {
    return std::includes(done.begin(), done.end(), copy.recipients.begin(), copy.recipients.end());
  });
  return copies;
}

std::string write_done(std::uint64_t total, const std::vector<std::uint32_t>& done) {
  std::string out = std::to_string(total) + ":";
  for (std::size_t i = 0; i < done.size();) {
    std::size_t last = i;
    while (last + 1 < done.size() && done[last + 1] == done[last] + 1) ++last;
    if (i != 0) out += ',';
    out += std::to_string(done[i]);
    if (last != i) out += "-" + std::to_string(done[last]);
    i = last + 1;
  }
  return out;
}

std::vector<std::uint32_t> read_done(std::string_view text, std::uint64_t total) {
  std::uint64_t written = 0;
  if (!take_number(&text, &written) || written != total || !text.starts_with(':')) return {};
  std::vector<std::uint32_t> done;
  while (!text.empty()) {
    text.remove_prefix(1);
    std::uint64_t first = 0;
    if (!take_number(&text, &first)) return {};
    std::uint64_t last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (!take_number(&text, &last)) return {};
    }
    if (last >= total || first > last) return {};
    for (std::uint64_t i = first; i <= last; ++i) done.push_back(static_cast<std::uint32_t>(i));
    if (!text.empty() && !text.starts_with(',')) return {};
  }
  std::sort(done.begin(), done.end());
  return done;
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

std::vector<std::uint32_t> accepted_recipients(const Job& job, std::vector<std::uint32_t> before) {
  for (const Part& part : job.parts) {
    if (part.outcome.kind != Kind::stored) continue;
    before.insert(before.end(), part.recipients.begin(), part.recipients.end());
  }
  std::sort(before.begin(), before.end());
  before.erase(std::unique(before.begin(), before.end()), before.end());
  return before;
}

}  // namespace lsmtpd::amqp
