// SPDX-License-Identifier: Apache-2.0
// Connection: AUTH, which a plugin answers. While it does, or while an attempt has to wait because
// others of its peer failed, the connection is in the state `filters`.
#include <string.h>

#include "base/siphash.hpp"
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {
namespace {

constexpr uint32_t kMostGuesses = 3;  // of one connection

}  // namespace

void Connection::offer_auth() {
  const plugin::Lane* lane = service_->auth;
  session_.offer_auth(lane ? lane->mechanisms() : 0, lane && service_->listener.require_auth);
}

void Connection::authenticate() {
  if (service_->auth == nullptr) {  // a reload took it away in the middle of an exchange
    auth_unavailable("the listener does not take AUTH any more");
    return;
  }
  const auto wait =
      peer_->exempt ? std::optional<uint64_t>(0) : peer_->guesses.begin(service_->loop.now_ms());
  if (!wait) {
    auth_unavailable("too many failed authentications of this peer", AuthResult::limited);
  } else if (*wait == 0) {
    verify();
  } else {
    advance(Event::phase_asked);
    deadlines().arm(auth_wait_, *wait);
  }
}

void Connection::auth_wait_over() {
  if (over()) return;
  advance(Event::phase_answered);
  verify();
  if (state_ == State::reading) resume();
}

// A drain ends the wait that delays a guess, which may be a minute long.
void Connection::give_up_auth_wait() {
  if (!auth_wait_.armed()) return;
  auth_wait_.disarm();
  advance(Event::phase_answered);
  auth_unavailable("shutting down");
  resume();
}

void Connection::verify() {
  plugin::Lane& lane = *service_->auth;
  const smtp::Credentials& given = session_.credentials();
  auto answer = auth_call_.put(
      lane, deadlines(), lane.instance().settings().deadline_ms,
      [this](plugin::Completion later) {
        if (over()) return;
        advance(Event::phase_answered);
        verified(later.verdict);
        if (state_ == State::reading) resume();
      },
      [&](plugin::Done done, plugin::CallId& call) {
        return lane.verify({.mechanism = static_cast<uint32_t>(given.mechanism),
                            .session = session_.envelope().session,
                            .authorization = given.authorization,
                            .user = given.user,
                            .password = given.password.view(),
                            .envelope = session_.share_envelope(),
                            .deadline_ms = lane.instance().settings().deadline_ms},
                           std::move(done), call);
      });
  if (answer) {
    verified(answer->verdict);
  } else {
    advance(Event::phase_asked);
  }
}

void Connection::cancel_auth() {
  auth_call_.abandon(nullptr);
  auth_wait_.disarm();
}

// Its deadline passed.
void Connection::verify_overdue() {
  auth_call_.abandon(nullptr);
  if (over()) return;
  advance(Event::phase_answered);
  auth_unavailable("its deadline passed");
  if (state_ == State::reading) resume();
}

void Connection::verified(const plugin::Verdict& verdict) {
  const std::string& user = session_.credentials().user;
  if (verdict.kind == plugin::Kind::accept) {
    const std::string& name = verdict.detail.empty() ? user : verdict.detail;
    if (!name.empty()) {
      service_->metrics.count_auth(session_.credentials().mechanism, AuthResult::ok);
      return session_.authenticated(name);
    }
  }
  if (verdict.kind == plugin::Kind::reject) {
    auth_failed(verdict.unknown_user);
  } else {
    auth_unavailable(verdict.reason());
  }
}

void Connection::auth_failed(bool unknown_user) {
  const smtp::Credentials& given = session_.credentials();
  service_->metrics.count_auth(given.mechanism, AuthResult::wrong);
  Secret tried(given.user);
  tried.append(std::string_view("\0", 1));
  tried.append(given.password.view());
  const uint64_t now = service_->loop.now_ms();
  const bool counts = peer_->guesses.failed(now, siphash(process_key(), tried.view()));
  if (const auto held_back = peer_->refusals.admit(now)) {
    const std::string peer = remote_.text();
    log::Fields fields = {{"peer", peer},
                          {"listener", service_->listener.name},
                          {"mechanism", smtp::mechanism_name(given.mechanism)}};
    // A name that is none may be a password that was typed in the wrong field.
    if (!unknown_user && !given.user.empty()) fields.add({"user", given.user});
    if (*held_back) fields.add({"held_back", *held_back});
    log_line(log::Level::info, "auth_failed", fields);
  }
  const bool too_many = counts && ++guesses_ >= kMostGuesses;
  const auto& reply = too_many ? smtp::replies::kTooManyGuesses : smtp::replies::kAuthFailed;
  service_->metrics.count_refusal(RefusedAt::auth, code_of(reply), Reason::auth);
  session_.auth_failed(make(reply));
}

void Connection::auth_unavailable(std::string_view why, AuthResult result) {
  const auto reply = make(smtp::replies::kAuthTempfail);
  service_->metrics.count_auth(session_.credentials().mechanism, result);
  service_->metrics.count_refusal(RefusedAt::auth, code_of(smtp::replies::kAuthTempfail),
                                  Reason::auth);
  log_refused(smtp::phase_name(smtp::Phase::auth), reply, why);
  session_.auth_failed(reply);
}

// Input that may have had a password in it: the buffer is the stream's, and is read again.
void Connection::clear(std::string_view input) {
  if (!input.empty()) explicit_bzero(const_cast<char*>(input.data()), input.size());
}

}  // namespace lsmtpd::server
