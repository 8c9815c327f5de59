// SPDX-License-Identifier: Apache-2.0
// Connection, second part: Proton's events. An engine that was dropped while it dispatches still
// hands out what it has; transport_ is gone then.
#include <algorithm>
#include <proton/connection.hpp>
#include <proton/delivery.hpp>
#include <proton/error_condition.hpp>
#include <proton/receiver.hpp>
#include <proton/sender.hpp>
#include <proton/session.hpp>
#include <proton/symbol.hpp>
#include <proton/tracker.hpp>
#include <proton/value.hpp>

#include "amqp_connection.hpp"
#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

std::string property(const proton::connection& connection, const char* key) {
  try {
    const auto properties = connection.properties();
    const auto found = properties.find(proton::symbol(key));
    return found == properties.end() ? std::string{} : proton::coerce<std::string>(found->second);
  } catch (const std::exception&) {  // not a map, or not text
    return {};
  }
}

bool has_property(const proton::connection& connection, const char* key) {
  try {
    return connection.properties().count(proton::symbol(key)) != 0;
  } catch (const std::exception&) {
    return false;
  }
}

bool offers(const proton::connection& connection, std::string_view capability) {
  try {
    const auto offered = connection.offered_capabilities();
    return std::find(offered.begin(), offered.end(), capability) != offered.end();
  } catch (const std::exception&) {  // no symbols
    return false;
  }
}

std::string printed(const proton::error_condition& condition) {
  if (condition.empty()) return {};
  if (condition.description().empty()) return condition.name();
  return condition.name() + ": " + condition.description();
}

// Open.properties of a broker that refuses the connection, as ActiveMQ Classic does.
constexpr const char* kTakenBack = "amqp:connection-establishment-failed";
// The capability of "Anonymous Terminus for Message Routing 1.0", 3.2.
constexpr const char* kAnonymousRelay = "ANONYMOUS-RELAY";
// Milliseconds. Heartbeats go out twice as often: what a broker asks for beyond this is load.
constexpr std::uint32_t kShortestIdle = 100;

}  // namespace

void Connection::on_connection_open(proton::connection& connection) {
  if (!transport_) return;
  if (open_) return intruded("opened a second connection that it was not asked for");
  const std::string unusable = unusable_open(connection);
  if (!unusable.empty()) {
    // Where the broker itself takes the Open back, its Close that follows says why.
    if (unusable != kTakenBack) intruded(unusable);
    return;
  }
  product_ = identify(property(connection, "product"), property(connection, "version"));
  offers_anonymous_terminus_ = offers(connection, kAnonymousRelay);
  dialer_.opened();
  open_ = true;
  report_before(Step::open);
  lane_.step_done(Step::open, product_.name.empty() ? "the broker does not say what it is"
                                                    : product_.name + " " + product_.version);
  lane_.connection_open();
}

std::string Connection::unusable_open(const proton::connection& connection) const {
  if (has_property(connection, kTakenBack)) return kTakenBack;
  const std::uint32_t idle =
      pn_transport_get_remote_idle_timeout(reach(transport_->driver().transport()));
  if (idle == 0 || idle >= kShortestIdle) return {};
  return "asks for a frame within each " + std::to_string(idle) +
         " ms (idle-time-out), less than " + std::to_string(kShortestIdle) + " ms";
}

void Connection::on_connection_error(proton::connection& connection) {
  error_ = printed(connection.error());
}

void Connection::on_connection_close(proton::connection& connection) {
  connection.close();
}

void Connection::on_transport_error(proton::transport& transport) {
  if (error_.empty()) error_ = printed(transport.error());
}

// Proton would open what a broker opens by itself, grant it credit, and keep all that it sends.
void Connection::intruded(const std::string& what) {
  if (!transport_) return;
  error_ = "the broker " + what;
  transport_ended();
}

void Connection::on_session_open(proton::session& session) {
  if (!transport_) return;
  if (session.uninitialized()) return intruded("opened a session that it was not asked for");
  // Proton 0.37 counts each Begin, and when such a session is freed it frees its links twice.
  if (!begun_sessions_.insert(reach(session)).second) return intruded("began a session twice");
  begun_ = true;
}

void Connection::on_receiver_open(proton::receiver& receiver) {
  if (receiver.uninitialized()) intruded("opened a link that it was not asked for");
}

void Connection::on_receiver_error(proton::receiver& receiver) {
  if (transport_) events_.link_closed(reach(receiver), printed(receiver.error()));
}

void Connection::on_receiver_close(proton::receiver& receiver) {
  if (transport_) events_.link_closed(reach(receiver), "");
}

void Connection::on_receiver_detach(proton::receiver& receiver) {
  if (transport_) events_.link_closed(reach(receiver), "");
}

void Connection::on_message(proton::delivery& delivery, proton::message& message) {
  if (!transport_) return;
  if (!events_.message_arrived(reach(delivery.receiver()), message))
    intruded("sent a message that it was not asked for");
}

void Connection::on_session_error(proton::session& session) {
  if (transport_) events_.session_closed(reach(session), printed(session.error()));
}

void Connection::on_session_close(proton::session& session) {
  if (!transport_) return;
  events_.session_closed(reach(session), "");
  if (!transport_) return;
  // Both sides have ended it; Proton would keep it, and its link, until the connection ends.
  pn_session_close(reach(session));
  begun_sessions_.erase(reach(session));
  pn_session_free(reach(session));
  if (unended_ > 0) --unended_;
}

void Connection::on_sender_open(proton::sender& sender) {
  if (sender.uninitialized()) return intruded("opened a link that it was not asked for");
  if (transport_) events_.sender_open(reach(sender));
}

void Connection::on_sender_error(proton::sender& sender) {
  if (transport_) events_.link_closed(reach(sender), printed(sender.error()));
}

void Connection::on_sender_close(proton::sender& sender) {
  if (transport_) events_.link_closed(reach(sender), "");
}

void Connection::on_sender_detach(proton::sender& sender) {
  if (transport_) events_.link_closed(reach(sender), "");
}

void Connection::on_sendable(proton::sender&) {}  // refill() looks at the credit itself

void Connection::on_tracker_accept(proton::tracker& tracker) {
  updated(tracker);
}
void Connection::on_tracker_reject(proton::tracker& tracker) {
  updated(tracker);
}
void Connection::on_tracker_release(proton::tracker& tracker) {
  updated(tracker);
}
void Connection::on_tracker_settle(proton::tracker& tracker) {
  updated(tracker);
}

void Connection::updated(const proton::tracker& tracker) {
  if (transport_) events_.delivery_updated(reach(tracker));
}

void Connection::on_error(const proton::error_condition& error) {
  if (error_.empty()) error_ = printed(error);
}

}  // namespace lsmtpd::amqp
