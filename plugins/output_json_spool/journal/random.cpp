// SPDX-License-Identifier: Apache-2.0
#include "journal/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace lsmtpd::journal {

std::uint64_t random_number() {
  std::uint64_t number = 0;
  while (number == 0) {
    if (::getrandom(&number, sizeof(number), 0) < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  return number;
}

}  // namespace lsmtpd::journal
