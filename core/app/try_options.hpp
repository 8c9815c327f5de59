// SPDX-License-Identifier: Apache-2.0
// Options of a plugin as `lsmtpd try -o` gives them.
#pragma once

#include <string>

#include "config/config.hpp"
#include "lsmtpd/options.h"

namespace lsmtpd::app {

// "key=value"; "map.key=value" for maps, "tables[0].key=value" for lists of tables. The type is
// what the plugin's table says, which may be null.
void set_option(config::Plugin& entry, const lsmtpd_options_1* table, const std::string& given);

}  // namespace lsmtpd::app
