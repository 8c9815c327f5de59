// SPDX-License-Identifier: Apache-2.0
// The traceparent of W3C Trace Context: names the trace that a message belongs to, and the step in
// it that the message comes from. It is an annotation of the message, so that plugins read it and
// fallbacks keep it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "message/message.hpp"

namespace lsmtpd::message {

inline constexpr std::string_view kTraceparent = "traceparent";  // key of the annotation

// As version 00 of the specification, from version 00 or a later one: the flags that it does not
// define are cleared. Nothing where `value` is not valid.
std::optional<std::string> parse_traceparent(std::string_view value);

// A new one: its trace-id is that of the message `id`, a UUID, without dashes. Its flags say that
// the step is recorded, in the log, and that the trace-id is random.
std::string new_traceparent(std::string_view id);

void set_traceparent(Message& message, std::string value);
std::string_view traceparent_of(const Message& message);  // empty: none

}  // namespace lsmtpd::message
