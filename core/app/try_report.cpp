// SPDX-License-Identifier: Apache-2.0
#include "app/try_report.hpp"

#include <algorithm>
#include <cstdio>

#include "base/text.hpp"
#include "pipeline/outcome.hpp"

namespace lsmtpd::app {
namespace {

const char* kind_name(plugin::Kind kind) {
  switch (kind) {
    case plugin::Kind::proceed:
      return "continue";
    case plugin::Kind::accept:
      return "accept";
    case plugin::Kind::stored:
      return "stored";
    case plugin::Kind::reject:
      return "reject";
    case plugin::Kind::discard:
      return "discard";
    case plugin::Kind::failed:
      return "failed";
    default:
      return "tempfail";
  }
}

// As a client gets it: each line of the text with the codes, all but the last with a hyphen.
void print_reply(const smtp::Reply& reply) {
  for (size_t at = 0; at <= reply.text.size();) {
    const size_t end = std::min(reply.text.find('\n', at), reply.text.size());
    std::printf("reply: %d%c%s %s\n", reply.code, end < reply.text.size() ? '-' : ' ',
                reply.enhanced.c_str(), reply.text.substr(at, end - at).c_str());
    at = end + 1;
  }
}

}  // namespace

bool is_good(const plugin::Completion& completion) {
  const auto kind = completion.verdict.kind;
  return kind == plugin::Kind::proceed || kind == plugin::Kind::accept ||
         kind == plugin::Kind::stored || kind == plugin::Kind::discard;
}

void print_recipients(const plugin::Completion& answer, const message::Message& message) {
  const auto& recipients = message.envelope->recipients;
  for (size_t i = 0; i < answer.recipients.size() && i < recipients.size(); ++i) {
    const plugin::Verdict& verdict = answer.recipients[i];
    std::printf("recipient: <%s> %s\n", recipients[i].address.c_str(), kind_name(verdict.kind));
    if (verdict.kind != plugin::Kind::stored)
      print_reply(pipeline::to_reply(verdict, pipeline::Role::output));
    if (!verdict.detail.empty())
      std::printf("detail: %s\n", escape_for_log(verdict.detail).c_str());
  }
}

void print_admission(plugin::Lane& lane) {
  if (!lane.instance().admission()) return;
  const plugin::Admission admission = lane.admission();
  std::printf("admission: %s\n", admission.ready ? "ready" : "not ready");
  if (admission.max_message_size)
    std::printf("size limit: %llu\n", static_cast<unsigned long long>(admission.max_message_size));
  if (!admission.reason.empty())
    std::printf("detail: %s\n", escape_for_log(admission.reason).c_str());
}

void print_verdict(const plugin::Completion& completion, const smtp::Reply& reply) {
  std::printf("verdict: %s\n", kind_name(completion.verdict.kind));
  if (!is_good(completion)) print_reply(reply);
  if (!completion.verdict.detail.empty())
    std::printf("detail: %s\n", escape_for_log(completion.verdict.detail).c_str());
}

void print_message(const message::Message& message) {
  for (const auto& r : message.envelope->recipients)
    std::printf("recipient: <%s>\n", r.address.c_str());
  std::printf("\n");
  char buffer[65536];
  uint64_t offset = 0;
  for (int64_t n; (n = message.read(offset, buffer, sizeof buffer)) > 0;
       offset += static_cast<uint64_t>(n)) {
    std::fwrite(buffer, 1, static_cast<size_t>(n), stdout);
  }
}

}  // namespace lsmtpd::app
