// SPDX-License-Identifier: Apache-2.0
// Checks that only the daemon's user and root can replace the spool's directory: the owner and
// permissions of each directory on the path, resolved as open(2) does.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lsmtpd::json_spool {

struct PathFault {
  bool error;  // false: a warning
  std::string text;
};

// Follows `path` link by link. Each directory on the way, and each symbolic link that others could
// change, must belong to root or to `user`; none may be writable for everyone, or for a group other
// than root's and `group`, unless it is sticky (as /tmp is). The last one may not be a symbolic
// link, and being sticky does not excuse it. Directories that are missing are no fault. For root
// (user 0), who may act as any user, owners and groups give warnings. Blocks on the disk.
std::vector<PathFault> check_path(const std::string& path, uid_t user, gid_t group);

// `path` without the slashes at its end, which would make the kernel follow a symbolic link there.
std::string without_final_slashes(std::string path);

}  // namespace lsmtpd::json_spool
