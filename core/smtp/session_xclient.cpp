// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that changes over to the client that a trusted proxy names.
#include <memory>
#include <utility>

#include "smtp/session.hpp"
#include "smtp/xclient.hpp"

namespace lsmtpd::smtp {

// The session begins anew: the banner follows, and the transaction and the greeting are forgotten.
// A port and a name belong to an address: a new address has neither, unless they come with it.
Session::Step Session::xclient(const Command& command) {
  XclientAttributes given;
  if (!parse_xclient(command.argument, given)) {
    deny(replies::kBadXclient);
    return {};
  }
  if (envelope_->proxy_address.empty()) envelope_.change().proxy_address = envelope_->peer_address;
  reset_transaction();
  if (given.address) {
    // Without an address the client counts as the proxy.
    envelope_.change().peer_address =
        given.address->empty() ? envelope_->proxy_address : *given.address;
    envelope_.change().peer_port = 0;
    envelope_.change().peer_name.clear();
  }
  if (given.port) envelope_.change().peer_port = *given.port;
  if (given.name) envelope_.change().peer_name = *std::exchange(given.name, std::nullopt);
  if (given.local_address) envelope_.change().local_address = *given.local_address;
  if (given.local_port) envelope_.change().local_port = *given.local_port;
  // A user of the proxy's own is not the client's; one that XCLIENT named before is.
  if (envelope_->auth && !envelope_->auth->mechanism.empty()) envelope_.change().auth.reset();
  if (given.login) {
    envelope_.change().auth =
        given.login->empty()
            ? nullptr
            : std::make_shared<const message::Auth>(message::Auth{*given.login, {}});
  }
  envelope_.change().helo = given.helo.value_or(std::string());
  envelope_.change().protocol.clear();
  extended_ = given.extended.value_or(false);
  greeted_ = false;
  state_ = State::start;
  helo_refusal_.reset();
  commands_ = errors_ = 0;
  mode_ = Mode::opening;
  return Action::new_client;
}

}  // namespace lsmtpd::smtp
