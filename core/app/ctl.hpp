// SPDX-License-Identifier: Apache-2.0
// `lsmtpd ctl`: speaks to a running daemon through the Unix socket of its [admin] section.
// Blocking. [main]
#pragma once

#include <string>
#include <vector>

namespace lsmtpd::app {

struct CtlOptions {
  std::string socket;              // --socket; empty: the configuration's
  bool json = false;               // of status: the document as it is
  bool flush = false;              // of drain
  std::string within;              // of drain and trace
  std::string peer, to;            // of trace
  bool log = false;                // of trace
  std::vector<std::string> words;  // the command and its arguments
};

// Returns the exit status (daemon.hpp): the command's own, or kExitFailed where no daemon answers.
int run_ctl(const std::string& file, const CtlOptions& options);

// The document of /status as text for a person; empty: it is no such document.
std::string status_for_person(const std::string& document);

}  // namespace lsmtpd::app
