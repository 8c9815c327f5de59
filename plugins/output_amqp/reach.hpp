// SPDX-License-Identifier: Apache-2.0
// From Proton's C++ objects to the C ones below them: for what only C offers (streaming a delivery,
// max-message-size, the outcomes of a source). The C++ library shares them with
// libqpid-proton-core, which is linked beside it.
#pragma once

#include <proton/delivery.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/transport.h>

#include <proton/connection.hpp>
#include <proton/receiver.hpp>
#include <proton/sender.hpp>
#include <proton/session.hpp>
#include <proton/tracker.hpp>
#include <proton/transport.hpp>

namespace lsmtpd::amqp {

namespace detail {

// pn_object() is protected: a copy (a counted reference) in a derived class may call it.
template <class Wrapper>
struct Reach : Wrapper {
  explicit Reach(const Wrapper& wrapper) : Wrapper(wrapper) {}
  using Wrapper::pn_object;
};

}  // namespace detail

inline pn_link_t* reach(const proton::sender& sender) {
  return detail::Reach<proton::sender>(sender).pn_object();
}
inline pn_link_t* reach(const proton::receiver& receiver) {
  return detail::Reach<proton::receiver>(receiver).pn_object();
}
inline pn_connection_t* reach(const proton::connection& connection) {
  return detail::Reach<proton::connection>(connection).pn_object();
}
inline pn_session_t* reach(const proton::session& session) {
  return detail::Reach<proton::session>(session).pn_object();
}
inline pn_delivery_t* reach(const proton::tracker& tracker) {
  return detail::Reach<proton::tracker>(tracker).pn_object();
}
inline pn_transport_t* reach(const proton::transport& transport) {
  return detail::Reach<proton::transport>(transport).pn_object();
}

}  // namespace lsmtpd::amqp
