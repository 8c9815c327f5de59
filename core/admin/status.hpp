// SPDX-License-Identifier: Apache-2.0
// The document of /status, which the page and `lsmtpd ctl status` show. It has no secret and no
// address of mail.
#pragma once

#include <string>

#include "admin/board.hpp"
#include "admin/history.hpp"
#include "metrics/registry.hpp"

namespace lsmtpd::admin {

std::string status_document(const Board& board, const metrics::Snapshot& snapshot,
                            const History& history, uint64_t unready_ms);

}  // namespace lsmtpd::admin
