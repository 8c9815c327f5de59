// SPDX-License-Identifier: Apache-2.0
// Standard input, output and error of the process. [main]
#pragma once

namespace lsmtpd::app {

// Before anything is opened: a standard descriptor that is closed is opened on /dev/null, so that
// no file or socket gets its number. Input is then at its end, writes to output fail, and those to
// standard error are thrown away.
void open_standard_descriptors();

// At the end of a command: `status`, or kExitFailed and a line on standard error where its output
// could not be written in full.
int finish_output(int status);

}  // namespace lsmtpd::app
