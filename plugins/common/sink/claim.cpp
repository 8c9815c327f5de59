// SPDX-License-Identifier: Apache-2.0
#include "claim.hpp"

#include <mail_json/json_text.hpp>

namespace lsmtpd::sink {

Claim make_claim(std::string location, const ClaimedBody& body) {
  mail_json::Text text;
  text.open('{');
  text.key("claim_check").open('{');
  text.key("location").string(location);
  text.key("size").number(body.size);
  text.key("sha256").string(body.sha256);
  text.key("content_type").string(body.content_type);
  text.close('}');
  text.key("message_id").string(body.message_id);
  text.key("copy_id").string(body.copy_id);
  text.close('}');
  return {std::move(location), text.take()};
}

std::string_view content_type(Format format, const Claim* claim) {
  if (claim != nullptr) return kClaimType;
  return format == Format::json ? "application/json" : "message/rfc822";
}

}  // namespace lsmtpd::sink
