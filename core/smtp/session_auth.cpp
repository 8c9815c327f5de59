// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that lets a client authenticate (RFC 4954).
#include <algorithm>
#include <utility>

#include "smtp/blanks.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::smtp {

void Session::offer_auth(uint32_t mechanisms, bool required) {
  mechanisms_ = mechanisms;
  auth_required_ = required;
}

// EXTERNAL is for a certificate that somebody has checked.
bool Session::offers(Mechanism mechanism) const {
  if (!(mechanisms_ & static_cast<uint32_t>(mechanism)) || !envelope_->tls) return false;
  return mechanism != Mechanism::external || envelope_->tls->client_verified;
}

// As EHLO lists them; empty: AUTH is not offered now.
std::string Session::offered_mechanisms() const {
  std::string names;
  if (envelope_->auth) return names;
  for (const Mechanism each : {Mechanism::plain, Mechanism::login, Mechanism::external}) {
    if (offers(each)) names.append(" ").append(mechanism_name(each));
  }
  return names;
}

// RFC 4954 6: what a client may say before it has authenticated where that is required. BDAT is
// refused in its place, without MAIL.
bool Session::must_authenticate(Verb verb) const {
  return auth_required_ && !envelope_->auth &&
         (verb == Verb::mail || verb == Verb::rcpt || verb == Verb::data || verb == Verb::vrfy);
}

const replies::Fixed* Session::auth_fault(std::string_view argument) const {
  if (mechanisms_ == 0) return &replies::kNotImplemented;
  if (envelope_->auth) return &replies::kAuthActive;
  if (!extended_) return &replies::kAuthNeedsEhlo;
  if (!envelope_->tls) return &replies::kAuthNeedsTls;
  const auto mechanism = mechanism_named(argument.substr(0, argument.find_first_of(" \t")));
  if (!mechanism || !offers(*mechanism)) return &replies::kAuthUnknown;
  return nullptr;
}

Session::Step Session::auth(const Command& command) {
  const std::string_view name = command.argument.substr(0, command.argument.find_first_of(" \t"));
  const std::string_view rest = trim_left(command.argument.substr(name.size()));
  sasl_ = std::make_unique<Sasl>();
  return after_response(sasl_->begin(
      *mechanism_named(name), rest.empty() ? std::nullopt : std::optional<std::string_view>(rest)));
}

Session::Step Session::read_response(std::string_view& input) {
  switch (reader_.read(input)) {
    case CommandReader::Found::nothing:
      return Action::need_input;
    case CommandReader::Found::too_long:  // its rest is skipped as that of a command is
      reader_.release();
      end_exchange(replies::kAuthTooLong);
      break;
    case CommandReader::Found::skipped:
      break;
    case CommandReader::Found::line: {
      ++progress_;
      secret_seen_ = true;
      if (dialogue_) dialogue_->hidden("(a response of AUTH)", replies_.text());
      if (reader_.bare_lf() && !settings_->normalize_bare_lf) {
        sasl_.reset();
        deny_and_close(replies::kBareLfInCommand);
        break;
      }
      const Step done = after_response(sasl_->respond(reader_.line()));
      reader_.release();
      return done;
    }
  }
  return {};
}

Session::Step Session::after_response(Sasl::Step step) {
  switch (step) {
    case Sasl::Step::challenge:
      mode_ = Mode::sasl;
      replies_.write_challenge(sasl_->challenge());
      return {};
    case Sasl::Step::complete:
      mode_ = Mode::commands;
      return wait(Waiting::credentials, Action::authenticate);
    case Sasl::Step::malformed:
      end_exchange(replies::kAuthMalformed);
      break;
    case Sasl::Step::cancelled:
      end_exchange(replies::kAuthCancelled);
      break;
  }
  return {};
}

void Session::end_exchange(const replies::Fixed& reply) {
  sasl_.reset();
  mode_ = Mode::commands;
  deny(reply);
}

void Session::authenticated(std::string user) {
  if (waiting_ != Waiting::credentials) return;  // shut_down() came first
  waiting_ = Waiting::nothing;
  const std::string_view mechanism = mechanism_name(sasl_->credentials().mechanism);
  sasl_.reset();
  envelope_.change().auth =
      std::make_shared<const message::Auth>(message::Auth{std::move(user), std::string(mechanism)});
  envelope_.change().protocol = protocol();
  auth_phase_due_ = true;
}

void Session::auth_failed(const Reply& reply) {
  if (waiting_ != Waiting::credentials) return;  // shut_down() came first
  waiting_ = Waiting::nothing;
  sasl_.reset();
  if (reply.code >= 500 && count_error()) return;
  replies_.write(reply);
  if (ends_connection(reply)) mode_ = Mode::closing;
}

void Session::forget_auth() {
  envelope_.change().auth.reset();
  if (greeted_) envelope_.change().protocol = protocol();
}

}  // namespace lsmtpd::smtp
