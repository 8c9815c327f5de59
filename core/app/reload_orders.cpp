// SPDX-License-Identifier: Apache-2.0
#include "app/reload_orders.hpp"

#include <fmt/format.h>

#include "app/exit_status.hpp"

namespace lsmtpd::app {

ReloadOrders::ReloadOrders(admin::Commands& commands, io::Loop& main, std::function<void()> reload)
    : commands_(commands) {
  commands_.add("reload",
                [this, &main, reload = std::move(reload)](
                    const admin::Order& order, const std::shared_ptr<admin::Answer>& answer) {
                  if (!order.arguments.empty()) {
                    answer->err("usage: lsmtpd ctl reload\n");
                    answer->end(kExitUsage);
                    return;
                  }
                  main.post([this, reload, answer] {
                    waiting_.push_back(answer);
                    reload();
                  });
                });
}

ReloadOrders::~ReloadOrders() {
  commands_.remove("reload");
}

void ReloadOrders::begun() {
  current_ = std::exchange(waiting_, {});
}

void ReloadOrders::ended(const Reload& reload) {
  for (const auto& answer : std::exchange(current_, {})) {
    for (const auto& one : reload.diagnostics())
      answer->err(config::format(one, reload.file()) + "\n");
    if (reload.succeeded()) {
      answer->out(fmt::format("{}: reloaded\n", reload.file()));
    } else {
      answer->err("the reload failed, and the former configuration goes on\n");
    }
    answer->end(reload.succeeded() ? kExitOk : kExitFailed);
  }
}

void ReloadOrders::refuse(std::string_view why) {
  for (const auto& answer : std::exchange(waiting_, {})) {
    answer->err(fmt::format("{}\n", why));
    answer->end(kExitFailed);
  }
}

}  // namespace lsmtpd::app
