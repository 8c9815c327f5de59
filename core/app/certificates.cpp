// SPDX-License-Identifier: Apache-2.0
#include "app/certificates.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "app/exit_status.hpp"
#include "app/layer_settings.hpp"
#include "app/listening.hpp"
#include "app/smtp_probe.hpp"
#include "base/network.hpp"
#include "base/text.hpp"
#include "io/socket_binding.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

namespace {

constexpr int64_t kDay = 24 * 3600;
constexpr int64_t kSoon = 14 * kDay;

void check_one(const io::CertificateInfo& one, config::Position at, Diagnostics& diagnostics) {
  const int64_t now = std::time(nullptr);
  const auto warn = [&](std::string text, std::string hint) {
    diagnostics.push_back({true, at, one.file + " " + std::move(text), std::move(hint)});
  };
  if (one.self_signed) {
    warn("is self-signed: many clients do not deliver to it, and do not fall back to clear text",
         "use a certificate of an issuer that they know");
  }
  if (one.not_after < now) {
    warn("expired on " + utc_text(one.not_after), "renew it: many clients deliver no more");
  } else if (one.not_after < now + kSoon) {
    warn("expires on " + utc_text(one.not_after), "renew it");
  }
  if (one.not_before > now) warn("is not valid before " + utc_text(one.not_before), "");
}

// Whether clients of the internet may reach it.
bool is_public(const std::string& host) {
  constexpr const char* kPrivate[] = {"127.0.0.0/8",    "10.0.0.0/8", "172.16.0.0/12",
                                      "192.168.0.0/16", "::1/128",    "fc00::/7",
                                      "fe80::/10"};
  if (host == "localhost") return false;
  return std::none_of(std::begin(kPrivate), std::end(kPrivate), [&](const char* network) {
    return parse_network(network)->contains(host.substr(0, host.find('%')));
  });
}

bool ends_tls(const config::Listener& listener) {
  return listener.tls != config::ListenerTls::off && listener.tls != config::ListenerTls::proxy;
}

void check_port_25(const config::Listener& listener, Diagnostics& diagnostics) {
  if (listener.port != 25 || !is_public(listener.host)) return;
  const auto warn = [&](config::Position at, const char* what) {
    diagnostics.push_back(
        {true, at,
         fmt::format("listener {} {} on port 25: senders on the internet that cannot are lost",
                     listener.name, what),
         "RFC 3207 section 4; use \"starttls\" there"});
  };
  if (listener.tls == config::ListenerTls::required) warn(listener.given["tls"], "requires TLS");
  if (ends_tls(listener) && listener.client_certificate != config::ClientCertificate::none) {
    warn(listener.given["client_certificate"], "asks for client certificates");
  }
}

}  // namespace

void check_certificates(const config::Config& config, Diagnostics& diagnostics) {
  for (const auto& listener : config.listeners) check_port_25(listener, diagnostics);
  const auto& tls = config.tls;
  if (tls.certificates.empty()) return;
  const auto context = io::TlsContext::load(tls_settings(tls));
  if (!context) {
    require(fail("{}", context.error().message), tls.given["certificates"], diagnostics);
    return;
  }
  const auto& all = (*context)->certificates();
  for (size_t i = 0; i < all.size(); ++i)
    check_one(all[i], tls.certificates[i].position, diagnostics);
  const auto names = [&](const io::CertificateInfo& one) {
    return one.names_host(config.server.hostname);
  };
  if (std::none_of(all.begin(), all.end(), names)) {
    diagnostics.push_back(
        {true, tls.given["certificates"],
         fmt::format("no certificate names server.hostname ({}): clients that check the name do "
                     "not deliver",
                     config.server.hostname),
         "set server.hostname to a name in subjectAltName"});
  }
}

namespace {

// The text for a listener; an error is one that the operator has to mend.
Result<std::string> ask(const config::Config& config, const config::Listener& listener,
                        const std::vector<io::CertificateInfo>& certificates) {
  SmtpProbe probe(kGreetingDeadlineMs + listener.greet_delay);
  if (!probe.connect(listener.host, listener.port, listener.proxy_protocol_from))
    return "nobody listens, so it was not asked";
  const bool implicit = listener.tls == config::ListenerTls::implicit;
  if (!implicit) {
    const char* hello = listener.protocol == config::Protocol::lmtp ? "LHLO" : "EHLO";
    const std::string lines[] = {"", fmt::format("{} {}\r\n", hello, config.server.hostname),
                                 "STARTTLS\r\n"};
    for (const auto& line : lines) {
      probe.send(line);
      const auto reply = probe.reply();
      if (!reply) return tl::unexpected(reply.error());
      if (reply->front() != '2') return fail("{}", escape_for_log(*reply));
    }
  }
  if (auto status = probe.start_tls(config.server.hostname); !status)
    return tl::unexpected(status.error());
  const std::string shown = probe.tls()->tlsa();
  for (const auto& one : certificates) {
    if (one.tlsa == shown) return probe.tls()->version() + ", shows " + one.file;
  }
  return fail("shows another certificate than the files have: is it another configuration?");
}

}  // namespace

int check_tls_live(const config::Config& config) {
  if (config.tls.certificates.empty()) return kExitOk;
  const auto context = io::TlsContext::load(tls_settings(config.tls));
  if (!context) return kExitUsage;  // said already
  for (const auto& one : (*context)->certificates()) {
    std::printf("%s: %s %s, until %s, TLSA 3 1 1 %s\n", one.file.c_str(), one.key_type.c_str(),
                escape_for_log(one.subject).c_str(), utc_text(one.not_after).c_str(),
                one.tlsa.c_str());
  }
  int status = kExitOk;
  for (const auto& listener : config.listeners) {
    const bool known = listener.port != 0 || !io::unix_path(listener.host).empty();
    if (!ends_tls(listener) || !known) continue;
    const auto said = ask(config, listener, (*context)->certificates());
    if (!said) status = kExitFailed;
    std::printf("listener %s: tls: %s%s\n", listener.name.c_str(),
                said ? "" : "FAILED: ", said ? said->c_str() : said.error().message.c_str());
  }
  return status;
}

std::string utc_text(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[64];
  if (::gmtime_r(&time, &parts) == nullptr) return "unknown";
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

void renew_certificates(io::TlsCertificates& certificates) {
  const auto renewed = certificates.look();
  if (!renewed) {
    log::error("certificates_kept", {{"why", renewed.error().message}});
    return;
  }
  if (!*renewed) return;
  const auto context = certificates.current();
  int64_t not_after = INT64_MAX;  // of the one that expires first
  for (const auto& one : context->certificates()) not_after = std::min(not_after, one.not_after);
  log::info("certificates_renewed",
            {{"certificates", context->certificates().size()}, {"not_after", utc_text(not_after)}});
}

}  // namespace lsmtpd::app
