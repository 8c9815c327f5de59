// SPDX-License-Identifier: Apache-2.0
// The holds of an operator as they outlive a restart: server.state_directory/holds, a line for each
// output: its name, since when (seconds since the epoch) and by whom, with tabs between them.
#pragma once

#include <map>
#include <string>

#include "admin/board.hpp"
#include "base/result.hpp"

namespace lsmtpd::app {

// An empty directory: nothing is kept, and none is an error. A file that is not there: no holds.
Result<std::map<std::string, admin::Hold>> read_holds(const std::string& directory);
// Durable when it returns.
Status write_holds(const std::string& directory, const std::map<std::string, admin::Hold>& holds);

}  // namespace lsmtpd::app
