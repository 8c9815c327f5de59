// SPDX-License-Identifier: Apache-2.0
#include "app/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "app/exit_status.hpp"

namespace lsmtpd::app {

void open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is `fd`. Output is opened for reading, so that a command that prints
    // fails instead of losing what it prints.
    const int opened = ::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    if (opened < 0) return;
  }
}

int finish_output(int status) {
  const bool failed_before = std::ferror(stdout) != 0 || !std::cout;
  const bool flushed = std::fflush(stdout) == 0;  // std::cout has no buffer of its own
  const int error = errno;
  if (flushed && !failed_before) return status;
  std::fprintf(stderr, "lsmtpd: cannot write to standard output%s%s\n", flushed ? "" : ": ",
               flushed ? "" : std::strerror(error));
  return status == kExitOk ? kExitFailed : status;
}

}  // namespace lsmtpd::app
