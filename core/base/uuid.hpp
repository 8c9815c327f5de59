// SPDX-License-Identifier: Apache-2.0
// Random UUIDs, version 4 (RFC 4122 4.4), as ids of messages.
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd {

// 36 characters, lower case. From the kernel's generator, fetched in batches; any thread.
std::string new_uuid();
bool is_uuid(std::string_view text);

}  // namespace lsmtpd
