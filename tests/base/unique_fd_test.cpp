// SPDX-License-Identifier: Apache-2.0
#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace lsmtpd {
namespace {

int open_null() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}
bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFd, ClosesWhatItOwns) {
  const int fd = open_null();
  { const UniqueFd owner(fd); }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MovingPassesOwnershipOnAndClosesTheOld) {
  const int kept = open_null();
  const int replaced = open_null();
  UniqueFd from(kept);
  UniqueFd to(replaced);
  to = std::move(from);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_TRUE(is_open(kept));
  EXPECT_EQ(to.get(), kept);
}

TEST(UniqueFd, ReleaseLeavesTheDescriptorOpen) {
  UniqueFd owner(open_null());
  const int fd = owner.release();
  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(fd));
  owner.reset(fd);
}

}  // namespace
}  // namespace lsmtpd
