// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/host.hpp"
#include "config/validate.hpp"

namespace lsmtpd::config {
namespace {

class ListenerCheck {
 public:
  ListenerCheck(const Config& config, Diagnostics& diagnostics)
      : config_(config), diagnostics_(diagnostics) {}

  void run();

 private:
  void chain(const Listener& listener);
  void auth(const Listener& listener);
  void trusted_networks(const Listener& listener);
  void tls_of(const Listener& listener);
  void warn(Position at, std::string message, std::string hint = {}) {
    add_warning(diagnostics_, at, std::move(message), std::move(hint));
  }

  const Config& config_;
  Diagnostics& diagnostics_;
};

// Every way to say "all addresses" collides with the others.
std::string socket_of(const Listener& listener) {
  if (listener.host.starts_with("unix:")) return listener.host;
  const bool any = listener.host == "*" || listener.host == "::";
  if (!activation_name(listener.host).empty()) return listener.host;
  return format_address(any ? "*" : to_upper(listener.host), listener.port);
}

void ListenerCheck::run() {
  if (config_.listeners.empty()) {
    add_error(diagnostics_, {}, "no [[listener]]: there is nothing to serve",
              "add [[listener]] with address = \"127.0.0.1:2525\"");
  }
  std::map<std::string, const Listener*> sockets;
  std::set<std::string> seen;
  for (const Listener& listener : config_.listeners) {
    if (!seen.insert(listener.name).second) {
      add_error(diagnostics_, listener.position,
                fmt::format("two listeners are named \"{}\"", listener.name));
    }
    const auto [first, is_new] = sockets.emplace(socket_of(listener), &listener);
    const bool local = listener.host.starts_with("unix:");
    if (local && listener.protocol != Protocol::lmtp) {
      add_error(
          diagnostics_, listener.given["address"],
          fmt::format("listener \"{}\" is a Unix socket, which is for LMTP only", listener.name),
          "set protocol = \"lmtp\"");
    }
    if (!is_new && (listener.port != 0 || local || !activation_name(listener.host).empty())) {
      add_error(diagnostics_, listener.given["address"],
                fmt::format("listener \"{}\" has the address of listener \"{}\"", listener.name,
                            first->second->name));
    }
    if (listener.protocol == Protocol::lmtp && listener.port == 25) {
      add_warning(diagnostics_, listener.given["address"], "LMTP must not be on port 25",
                  "RFC 2033 section 5");
    }
    chain(listener);
    trusted_networks(listener);
    tls_of(listener);
    auth(listener);
    if (!listener.traceparent && !listener.traceparent_from.empty()) {
      warn(listener.given["traceparent_from"],
           fmt::format("traceparent_from of listener \"{}\" has no effect: traceparent is false",
                       listener.name),
           "set traceparent = true");
    }
  }
}

void ListenerCheck::tls_of(const Listener& listener) {
  const Tls& tls = config_.tls;
  const bool on = listener.tls != ListenerTls::off && listener.tls != ListenerTls::proxy;
  if (listener.tls == ListenerTls::proxy && listener.proxy_protocol_from.empty()) {
    add_error(diagnostics_, listener.given["tls"],
              fmt::format("tls of listener \"{}\" is \"proxy\", but proxy_protocol_from is empty",
                          listener.name),
              "list the networks of the proxies that end TLS");
  }
  if (on && tls.certificates.empty() && !tls.given.has("certificates")) {
    add_error(
        diagnostics_, listener.given["tls"],
        fmt::format("listener \"{}\" has TLS, but tls.certificates is not set", listener.name),
        "add [tls] with certificates = [{ certificate = \"...\", key = \"...\" }]");
  }
  const bool own = listener.given.has("client_certificate");
  const Position at = own ? listener.given["client_certificate"] : tls.given["client_certificate"];
  if (own && !on && listener.client_certificate != ClientCertificate::none) {
    warn(at, fmt::format("listener \"{}\" has no TLS, so client_certificate has no effect",
                         listener.name));
  }
  if (on && listener.client_certificate == ClientCertificate::require && tls.client_ca.empty()) {
    add_error(diagnostics_, at,
              fmt::format("listener \"{}\" requires a client certificate, but tls.client_ca is "
                          "not set: no client could pass",
                          listener.name),
              "name the file with the trusted issuers");
  }
}

void ListenerCheck::auth(const Listener& listener) {
  const auto wrong = [&](std::string_view key, std::string message, std::string hint) {
    const Position at = listener.given[key];
    add_error(diagnostics_, at.line != 0 ? at : listener.position, std::move(message),
              std::move(hint));
  };
  if (listener.auth_plugin.empty()) {
    if (listener.auth == Auth::off) return;
    return wrong("auth", fmt::format("auth of listener \"{}\" needs auth_plugin", listener.name),
                 "such as auth_plugin = \"users\", with [plugin.users] that uses auth_file");
  }
  if (!config_.plugin(listener.auth_plugin)) {
    return wrong("auth_plugin",
                 fmt::format("the auth_plugin \"{}\" of listener \"{}\" does not exist",
                             escape_for_log(listener.auth_plugin), listener.name),
                 missing_plugin_hint(config_, listener.auth_plugin));
  }
  if (listener.auth == Auth::off) {
    warn(listener.given["auth_plugin"],
         fmt::format("auth_plugin of listener \"{}\" has no effect: auth is off", listener.name),
         "set auth to optional or required");
  }
}

// A proxy or relay may name any address as its client's.
void ListenerCheck::trusted_networks(const Listener& listener) {
  const auto check = [&](std::string_view key, const std::vector<Network>& networks) {
    for (const Network& network : networks) {
      if (network.bits > 0) continue;
      warn(listener.given[key],
           fmt::format("{} of listener \"{}\" has every address: any client can name another's "
                       "as its own",
                       key, listener.name),
           "list the networks of the proxies only");
    }
  };
  check("proxy_protocol_from", listener.proxy_protocol_from);
  check("xclient_from", listener.xclient_from);
}

void ListenerCheck::chain(const Listener& listener) {
  if (config_.chain(listener.chain)) return;
  const Position given = listener.given["chain"];
  std::string hint = did_you_mean(listener.chain, names(config_.chains));
  if (hint.empty() && is_name(listener.chain))
    hint = fmt::format("add [chain.{}] with its steps", listener.chain);
  add_error(diagnostics_, given.line != 0 ? given : listener.position,
            fmt::format("the chain \"{}\" of listener \"{}\" does not exist",
                        escape_for_log(listener.chain), listener.name),
            hint);
}

}  // namespace

void check_listeners(const Config& config, Diagnostics& diagnostics) {
  ListenerCheck(config, diagnostics).run();
}

}  // namespace lsmtpd::config
