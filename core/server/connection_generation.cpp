// SPDX-License-Identifier: Apache-2.0
// Connection: how it goes over to a newer generation of the configuration.
//
// Between transactions it does so at once where the session filters are the same. Filters that
// changed have to be told of the session first: that is done at MAIL, where they are asked about
// the connection and HELO before, and so such a session keeps its generation until then.
#include "server/connection.hpp"

namespace lsmtpd::server {

void Connection::offer(std::shared_ptr<const Service> next) {
  next_service_ = std::move(next);
  listener_gone_ = next_service_ == nullptr;
  go_over_if_idle();
}

bool Connection::fits(const Service& next) const {
  return next.listener.smtp.lmtp == service_->listener.smtp.lmtp;
}

bool Connection::has_filters_of(const Service& next) const {
  return next.chain.session_filters == service_->chain.session_filters;
}

void Connection::go_over_if_idle() {
  if (!next_service_) return;
  const bool idle = !over() && !waits_for_us() && !session_.in_transaction() && !envelope_ &&
                    transaction_id_.empty();
  if (idle && fits(*next_service_) && has_filters_of(*next_service_)) go_over();
}

// At MAIL, before the transaction begins.
void Connection::go_over_at_mail() {
  if (!next_service_ || !fits(*next_service_)) return;
  if (has_filters_of(*next_service_)) {
    go_over();
    return;
  }
  session_filters_ = nullptr;  // the former ones hear that the session is over
  go_over();
  missed_.clear();
  if (service_->chain.session_filters.empty()) return;
  session_filters_ = std::make_unique<pipeline::SessionFilters>(chain(), number_);
  missed_ = {smtp::Phase::connect, smtp::Phase::helo};
}

void Connection::go_over() {
  const auto before = std::exchange(service_, std::move(next_service_));
  next_service_ = nullptr;
  // The listener may have another name.
  before->metrics.connections.add(-1);
  service_->metrics.connections.add(1);
  if (in_tls_) {
    before->metrics.tls_sessions.add(-1);
    service_->metrics.tls_sessions.add(1);
  }
  session_.set_settings(service_->listener.smtp);
  timers_.set_limits(service_->limits, service_->timeouts);
  size_limit_by_ = "limits.message_size";  // until MAIL finds the one in force
  traceparent_.clear();
  offer_auth();
  if (session_filters_) session_filters_->set_chain(chain());
}

void Connection::leave() {
  go_over_if_idle();
  const bool goes_over = next_service_ && fits(*next_service_) && has_filters_of(*next_service_);
  if (goes_over || (!next_service_ && !listener_gone_)) return;
  shut_down({.reply = smtp::replies::configuration_changed(service_->listener.smtp.hostname),
             .why = "the configuration was reloaded",
             .after_transaction = true});
}

}  // namespace lsmtpd::server
