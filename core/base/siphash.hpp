// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of 64 bits whose results nobody can
// predict who has not the key.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lsmtpd {

using SipKey = std::array<uint64_t, 2>;

uint64_t siphash(const SipKey& key, std::string_view text);
// Of this process; random.
const SipKey& process_key();

}  // namespace lsmtpd
