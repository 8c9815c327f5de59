// SPDX-License-Identifier: Apache-2.0
// Random numbers of the kernel. [any]
#pragma once

#include <cstdint>

namespace lsmtpd::journal {

// Never 0.
std::uint64_t random_number();

}  // namespace lsmtpd::journal
