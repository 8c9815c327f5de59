// SPDX-License-Identifier: Apache-2.0
// A copy of a message as it is published. Pure.
#pragma once

#include <sink/job.hpp>
#include <string>

#include "amqp091_options.hpp"

namespace lsmtpd::amqp091 {

// Appends basic.publish and the content header of a copy whose body has `size` octets.
// `frame_max`: the header fits in such a frame.
void put_publication(std::string* out, std::uint16_t channel, std::string_view exchange,
                     const Part& part, std::uint64_t size, const Options& options,
                     std::uint32_t frame_max);

// The header that has the copy's id, by which a returned message is known again.
inline constexpr std::string_view kCopyId = "copy_id";

}  // namespace lsmtpd::amqp091
