// SPDX-License-Identifier: Apache-2.0
#include "app/listening.hpp"

#include <cstdio>

#include "app/exit_status.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "app/smtp_probe.hpp"
#include "base/text.hpp"
#include "config/host.hpp"
#include "io/socket_binding.hpp"

namespace lsmtpd::app {

Result<std::string> read_greeting(const std::string& host, uint16_t port, uint64_t deadline_ms,
                                  std::span<const Network> proxy_protocol_from, bool tls) {
  SmtpProbe probe(deadline_ms);
  if (auto status = probe.connect(host, port, proxy_protocol_from); !status)
    return tl::unexpected(status.error());
  if (tls) {
    if (auto status = probe.start_tls({}); !status) return tl::unexpected(status.error());
  }
  auto greeting = probe.reply();
  if (greeting) {
    probe.send("QUIT\r\n");
    (void)probe.reply();  // so that the server sees a session that ended as it should
  }
  return greeting;
}

int run_check_listening(const std::string& file) {
  ignore_fatal_signals();
  const auto loaded = load_config(file);
  if (!loaded.ok()) {
    show(loaded.diagnostics, loaded.config.file);
    return kExitUsage;
  }
  int status = kExitOk;
  for (const auto& listener : loaded.config.listeners) {
    if (listener.port == 0 && io::unix_path(listener.host).empty()) {
      std::fprintf(stderr, "listener %s: its port is chosen at the start, so it cannot be asked\n",
                   listener.name.c_str());
      status = kExitFailed;
      continue;
    }
    const auto greeting =
        read_greeting(listener.host, listener.port, kGreetingDeadlineMs + listener.greet_delay,
                      listener.proxy_protocol_from, listener.tls == config::ListenerTls::implicit);
    if (!greeting) {
      std::fprintf(stderr, "listener %s: %s: %s\n", listener.name.c_str(),
                   config::format_address(listener.host, listener.port).c_str(),
                   greeting.error().message.c_str());
      status = kExitFailed;
    } else {
      std::printf("listener %s: %s\n", listener.name.c_str(), escape_for_log(*greeting).c_str());
    }
  }
  return status;
}

}  // namespace lsmtpd::app
