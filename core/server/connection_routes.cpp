// SPDX-License-Identifier: Apache-2.0
// Connection: which route a recipient takes, and whether that route takes mail now.
#include "base/text.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

// False: the recipient is refused.
bool Connection::take_recipient() {
  std::optional<size_t> place;
  if (service_->chain.table && !(place = find_route())) return false;
  if (!keep_recipient()) return false;
  if (!first_route_) first_route_ = place;
  return true;
}

// Comes after the session filters, so that a client which these refuse does not learn which
// recipients there are. Nothing: the recipient is refused.
std::optional<size_t> Connection::find_route() {
  const pipeline::Chain& chain = service_->chain;
  const auto place = chain.route_of(session_.envelope().recipients.back().address);
  if (!place) {
    const auto& reply = smtp::replies::kUnknownRecipient;
    refuse("rcpt", make(reply), reason_of(reply), Reason::address);
    return std::nullopt;
  }
  // LMTP has a reply for each recipient, and need not part them.
  const bool parted = chain.defer_other_routes && !service_->listener.smtp.lmtp;
  if (parted && first_route_ && *first_route_ != *place) {
    const auto& reply = smtp::replies::kOtherRoute;
    refuse("rcpt", make(reply), reason_of(reply), Reason::recipients);
    return std::nullopt;
  }
  return admit_route(chain.routes[*place]) ? place : std::nullopt;
}

bool Connection::admit_route(const pipeline::Route& route) {
  const plugin::Lane* limited_by = nullptr;
  const auto admission = route.admission(&limited_by);
  if (!admission.ready) {
    refuse("rcpt", make(smtp::replies::kNotReady), admission.reason, Reason::not_ready);
    return false;
  }
  const uint64_t limit = admission.max_message_size;
  if (limit == 0 || session_.declared_size() <= limit) return true;
  refuse("rcpt", make(smtp::replies::kTooLarge),
         fmt::format("{} takes messages of at most {}", limited_by->name(), format_size(limit)),
         Reason::size);
  return false;
}

}  // namespace lsmtpd::server
