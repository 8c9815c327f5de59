// SPDX-License-Identifier: Apache-2.0
#include "app/check_admin.hpp"

#include <sys/stat.h>

#include "admin/sockets.hpp"
#include "app/admin_service.hpp"
#include "config/host.hpp"
#include "io/socket_binding.hpp"

namespace lsmtpd::app {

void check_admin_sockets(const config::Config& config, Diagnostics& diagnostics) {
  const auto& admin = config.admin;
  if (!admin.socket.empty()) {
    const auto at = admin.given["socket"];
    const auto free = admin::try_unix(admin.socket, admin.group);
    if (!free) {
      diagnostics.push_back({false, at, "admin.socket: " + free.error().message, {}});
    } else if (*free == admin::UnixPath::in_use) {
      diagnostics.push_back({true, at,
                             fmt::format("admin.socket: a process listens at {}", admin.socket),
                             "a start fails while it does; it may be the running lsmtpd"});
    }
  }
  const auto address = config::parse_address(admin.http);
  if (admin.http.empty() || !address) return;  // a mistake that has been reported
  if (const auto free = io::try_bind(address->host, address->port); !free) {
    const std::string holder = address->port ? process_that_listens_on(address->port) : "";
    diagnostics.push_back({holder.starts_with("lsmtpd "), admin.given["http"],
                           "admin.http: " + free.error().message,
                           holder.empty() ? "" : holder + " listens there"});
  }
}

void check_admin_token(const config::Config& config, Diagnostics& diagnostics) {
  const auto& file = config.admin.token_file;
  if (file.empty()) return;
  const auto at = config.admin.given["token_file"];
  if (const auto token = read_token(file); !token) {
    diagnostics.push_back({false, at, token.error().message, {}});
    return;
  }
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0)
    diagnostics.push_back(
        {true, at,
         fmt::format("admin.token_file: {} can be read by every user of this machine", file),
         "chmod 600"});
}

}  // namespace lsmtpd::app
