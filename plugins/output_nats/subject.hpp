// SPDX-License-Identifier: Apache-2.0
// Subjects of NATS: tokens between dots, with "*" for one token and ">" for the rest where messages
// are waited for. Pure.
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::nats {

// Longer ones come near to max_control_line (4 KiB), at which a server ends the connection.
inline constexpr std::size_t kLongestSubject = 1024;

// Empty, or why nothing can be published to `subject`.
std::string subject_fault(std::string_view subject);

// A message to `subject` matches `pattern`.
bool subject_matches(std::string_view pattern, std::string_view subject);

// Stands in subjects of the JetStream API.
bool is_stream_name(std::string_view name);

}  // namespace lsmtpd::nats
