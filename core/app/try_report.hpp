// SPDX-License-Identifier: Apache-2.0
// The lines that `lsmtpd try` prints.
#pragma once

#include "message/message.hpp"
#include "plugin/lane.hpp"
#include "smtp/reply.hpp"

namespace lsmtpd::app {

// Whether the verdict lets the message go on.
bool is_good(const plugin::Completion& completion);

// `reply` is what stands for the verdict where it refuses.
void print_verdict(const plugin::Completion& completion, const smtp::Reply& reply);
// The recipients' own verdicts, where an output answered so.
void print_recipients(const plugin::Completion& answer, const message::Message& message);
// How the plugin answers the questions that a chain asks at EHLO and MAIL.
void print_admission(plugin::Lane& lane);
// The recipients and the content.
void print_message(const message::Message& message);

}  // namespace lsmtpd::app
