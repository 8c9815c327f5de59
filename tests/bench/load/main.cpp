// SPDX-License-Identifier: Apache-2.0
// smtp_load: an SMTP client for measurements. Prints one line of JSON: messages a second, times of
// the final reply and of the whole message, and each reply that was not the expected one.
//   exit status 0; 1 with failures; 2 for wrong options; 3 when the server lacks an extension
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "client.hpp"

int main(int argc, char** argv) {
  using namespace lsmtpd::bench;
  const Options options = parse_options(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  try {
    return Client(options).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "smtp_load: %s\n", error.what());
    return 2;
  }
}
