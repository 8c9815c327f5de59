// SPDX-License-Identifier: Apache-2.0
#include "app/admin_service.hpp"

#include <unistd.h>

#include <fstream>

#include "admin/sockets.hpp"
#include "app/layer_settings.hpp"
#include "app/version.hpp"
#include "base/text.hpp"
#include "config/host.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

AdminService::AdminService(const config::Config& config,
                           std::shared_ptr<metrics::Registry> registry)
    : config_(config), registry_(std::move(registry)) {}

AdminService::~AdminService() {
  stop();
}

Status AdminService::bind_socket() {
  const auto& section = config_.admin;
  if (section.socket.empty()) return {};
  const auto mode = static_cast<uint32_t>(std::stoul(section.mode, nullptr, 8));  // was checked
  auto bound = admin::listen_unix(section.socket, mode, section.group, config_.server.user);
  if (!bound) return fail("admin.socket: {}", bound.error().message);
  socket_ = std::move(*bound);
  return {};
}

Status AdminService::bind_http() {
  if (config_.admin.http.empty()) return {};
  const auto address = config::parse_address(config_.admin.http);
  if (!address) return fail("admin.http: {}", address.error().message);
  uint16_t port = address->port;
  auto bound = admin::listen_http(address->host, port);
  if (!bound) return fail("admin.http: {}", bound.error().message);
  http_ = std::move(*bound);
  http_address_ = config::format_address(address->host, port);
  return {};
}

Status AdminService::start() {
  if (!socket_ && http_.empty()) return {};
  const auto& section = config_.admin;
  admin::Settings settings{
      .unready_after_ms = section.unready_after, .token = {}, .hosts = section.hosts};
  settings.hosts.push_back(config_.server.hostname);
  if (!section.token_file.empty()) {
    auto token = read_token(section.token_file);
    if (!token) return tl::unexpected(token.error());
    settings.token = std::move(*token);
  }
  log::info("admin_listening", {{"socket", section.socket}, {"http", http_address_}});
  server_ = std::make_unique<admin::Server>(std::move(settings), board_, commands_, registry_);
  server_->start(std::move(socket_), std::move(http_));
  http_.clear();
  return {};
}

// The socket's file goes too, where its folder allows that.
void AdminService::stop() {
  if (!server_) return;
  server_.reset();
  if (!config_.admin.socket.empty()) ::unlink(config_.admin.socket.c_str());
}

Result<std::string> read_token(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line)) return fail("admin.token_file: {} cannot be read", file);
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_blank(line.back())) line.pop_back();
  line.erase(0, std::min(line.size(), line.find_first_not_of(" \t")));
  if (line.empty()) return fail("admin.token_file: the first line of {} is empty", file);
  return line;
}

admin::Facts facts_of(const config::Config& config,
                      const std::map<std::string, std::vector<std::string>>& addresses) {
  admin::Facts facts{.version = kVersion,
                     .hostname = config.server.hostname,
                     .config_file = config.file,
                     .connections_limit = config.limits.connections,
                     .listeners = {},
                     .plugin_uses = {}};
  for (const auto& listener : config.listeners) {
    const std::string configured = listener_address(listener);
    const auto found = addresses.find(configured);
    facts.listeners.push_back(
        {.name = listener.name,
         .chain = listener.chain,
         .protocol = listener.protocol == config::Protocol::lmtp ? "LMTP" : "SMTP",
         .addresses =
             found == addresses.end() ? std::vector<std::string>{configured} : found->second});
  }
  for (const auto& plugin : config.plugins) facts.plugin_uses[plugin.name] = plugin.use;
  return facts;
}

}  // namespace lsmtpd::app
