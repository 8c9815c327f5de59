// SPDX-License-Identifier: Apache-2.0
// `lsmtpd ctl reload`: waits for the end of a reload, and tells what it said. An order that comes
// while a reload runs is answered by the next one, since the one under way may have read the file
// before it changed; all orders that wait share that one. [main], but where it says otherwise
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "admin/ctl_commands.hpp"
#include "app/reload.hpp"
#include "io/loop.hpp"

namespace lsmtpd::app {

class ReloadOrders {
 public:
  // `reload` begins a reload, or has one follow that is under way.
  ReloadOrders(admin::Commands& commands, io::Loop& main, std::function<void()> reload);
  ~ReloadOrders();
  ReloadOrders(const ReloadOrders&) = delete;
  ReloadOrders& operator=(const ReloadOrders&) = delete;

  // A reload begins: it answers the orders that are there.
  void begun();
  // The reload that begun() was called for.
  void ended(const Reload& reload);
  // There will be none.
  void refuse(std::string_view why);

 private:
  using Answers = std::vector<std::shared_ptr<admin::Answer>>;

  admin::Commands& commands_;
  Answers waiting_;  // for the next reload
  Answers current_;
};

}  // namespace lsmtpd::app
