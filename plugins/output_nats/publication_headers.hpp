// SPDX-License-Identifier: Apache-2.0
// The headers of a published message: those that JetStream reads, and the properties that each
// broker shows its consumers (sink/mail_properties.hpp). Pure.
#pragma once

#include <cstdint>
#include <sink/job.hpp>
#include <string>
#include <utility>
#include <vector>

#include "nats_options.hpp"

namespace lsmtpd::nats {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Values are printable ASCII, whatever a client sent.
Headers headers_of(const Part& part, const Options& options);

// Their octets in a message, which count in max_payload and max_msg_size.
std::uint64_t encoded_size(const Headers& headers);

}  // namespace lsmtpd::nats
