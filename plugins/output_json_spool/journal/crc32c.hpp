// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720 12.1), the checksum of the journal. [any]
#pragma once

#include <cstdint>
#include <string_view>

namespace lsmtpd::journal {

// `before`: the checksum of the bytes in front of `data`.
std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0);

// The same without ISA-L, for architectures that it is not built for.
std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t before = 0);

}  // namespace lsmtpd::journal
