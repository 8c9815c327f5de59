// SPDX-License-Identifier: Apache-2.0
// The page at /: one HTML document without external resources.
#pragma once

namespace lsmtpd::admin {

extern const char* const kPage;

}  // namespace lsmtpd::admin
