// SPDX-License-Identifier: Apache-2.0
// A plugin's table of options, as its author wrote it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "lsmtpd/options.h"

namespace lsmtpd::plugin {

// Its rows. A plugin with older headers has shorter ones: what they lack is 0.
std::vector<lsmtpd_option> rows_of(const lsmtpd_option* options, uint32_t stride, uint32_t count);
std::vector<lsmtpd_option> rows_of(const lsmtpd_options_1* table);   // null: none
std::vector<lsmtpd_option> columns_of(const lsmtpd_option& option);  // of a list of tables

// Returns the fault of the table itself, which no configuration can mend; empty if there is none.
std::string fault_of(const lsmtpd_options_1& table);

// An option's default, as the file would give it; text where it is none of its type, which then is
// refused like any text. Only where there is one.
decltype(config::OptionValue::value) default_of(const lsmtpd_option& option);

// Whether a value that the file gives is the same as the default. Only where there is one.
bool is_default(const lsmtpd_option& option, const config::OptionValue& value);

// Returns a type's name in messages and in `lsmtpd plugins`: "size", "list", ...
std::string_view type_name(uint32_t type);

}  // namespace lsmtpd::plugin
