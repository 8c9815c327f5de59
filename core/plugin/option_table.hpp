// SPDX-License-Identifier: Apache-2.0
// A plugin's table of options, as its author wrote it.
#pragma once

#include <string>
#include <string_view>

#include "config/config.hpp"
#include "lsmtpd/options.h"

namespace lsmtpd::plugin {

// What is wrong with the table itself, which no configuration can mend; empty: nothing.
std::string fault_of(const lsmtpd_options_1& table);

// An option's default, as the file would give it; text where it is none of its type, which then is
// refused like any text. Only where there is one.
decltype(config::OptionValue::value) default_of(const lsmtpd_option& option);

// What a table's type is called in messages and by `lsmtpd plugins`: "size", "list", ...
std::string_view type_name(uint32_t type);

}  // namespace lsmtpd::plugin
