// SPDX-License-Identifier: Apache-2.0
#include "pipeline/recipients.hpp"

#include <algorithm>

namespace lsmtpd::pipeline {

using plugin::Kind;

message::Message with_recipients(const message::Message& message, const std::vector<bool>& keep) {
  const auto& all = message.envelope->recipients;
  auto envelope = std::make_shared<message::Envelope>(without_recipients(*message.envelope));
  const bool is_first = envelope->recipient_total == 0;
  if (is_first) envelope->recipient_total = static_cast<uint32_t>(all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    if (!keep[i]) continue;
    envelope->recipients.push_back(all[i]);
    if (is_first) envelope->recipients.back().number = i;
  }
  message::Message result = message;
  result.envelope = std::move(envelope);
  return result;
}

Rest rest_of(const message::Message& before, const plugin::Completion& completion) {
  const auto& each = completion.recipients;
  const bool annotated =
      completion.message && completion.message->annotations != before.annotations;
  Rest rest{completion.verdict.kind, annotated ? completion.message : std::nullopt};
  if (each.empty()) return rest;
  const auto tempfailed = [](const plugin::Verdict& v) {
    return v.kind != Kind::stored && v.kind != Kind::reject;
  };
  const bool some_tempfailed = std::any_of(each.begin(), each.end(), tempfailed);
  if (some_tempfailed) rest.outcome = Kind::tempfail;
  std::vector<bool> keep;
  for (const auto& verdict : each) keep.push_back(verdict.kind != Kind::stored);
  if (std::find(keep.begin(), keep.end(), false) == keep.end()) return rest;
  if (std::find(keep.begin(), keep.end(), true) == keep.end()) return rest;
  rest.message = with_recipients(annotated ? *completion.message : before, keep);
  return rest;
}

}  // namespace lsmtpd::pipeline
