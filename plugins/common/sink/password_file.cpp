// SPDX-License-Identifier: Apache-2.0
#include "password_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kLongestPassword = 4096;

}  // namespace

tl::expected<std::string, std::string> read_password_file(const std::string& path) {
  const auto fail = [&](const char* why) {
    return tl::unexpected("cannot read " + path + ": " + why);
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(std::strerror(errno));
  struct stat status {};
  std::string password(kLongestPassword + 1, '\0');
  ssize_t got = -1;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    got = ::read(fd, password.data(), password.size());
  } else {
    errno = EINVAL;
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) return fail(std::strerror(error));
  if (static_cast<std::size_t>(got) > kLongestPassword) return fail("longer than 4096 bytes");
  password.resize(static_cast<std::size_t>(got));
  while (password.ends_with('\n') || password.ends_with('\r')) password.pop_back();
  return password;
}

const std::string& Password::renew(const sdk::Host& host) {
  if (path_.empty()) return password_;
  auto password = read_password_file(path_);
  const bool good = password && !password->empty();
  if (good) {
    password_ = *std::move(password);
  } else if (!kept_) {
    host.warn("the password file gives no password; the one read before is used",
              {{"why", password ? path_ + " is empty" : password.error()}});
  }
  kept_ = !good;
  return password_;
}

}  // namespace lsmtpd::sink
