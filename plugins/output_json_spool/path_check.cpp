// SPDX-License-Identifier: Apache-2.0
#include "path_check.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <sstream>

namespace lsmtpd::json_spool {
namespace {

constexpr int kMostLinks = 40;  // as Linux follows them

class Walk {
 public:
  Walk(uid_t user, gid_t group) : user_(user), group_(group) {}

  std::vector<PathFault> run(const std::string& path) {
    enqueue(path);
    if (path.empty() || path.front() != '/') enter_working_directory();
    look_at_directory(false);
    while (!parts_.empty()) {
      const std::string part = std::move(parts_.front());
      parts_.pop_front();
      if (part == "..") {
        if (!at_.empty()) at_.erase(at_.rfind('/'));
        look_at_directory(parts_.empty());
      } else if (!step(at_ + "/" + part)) {
        break;
      }
    }
    return std::move(faults_);
  }

 private:
  void enqueue(const std::string& path) {
    std::vector<std::string> parts;
    std::istringstream text(path);
    for (std::string part; std::getline(text, part, '/');) {
      if (!part.empty() && part != ".") parts.push_back(part);
    }
    parts_.insert(parts_.begin(), parts.begin(), parts.end());
  }

  void enter_working_directory() {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof(here)) != nullptr) enqueue(here);
  }

  // False: the walk ends here.
  bool step(const std::string& next) {
    struct stat status {};
    if (::lstat(next.c_str(), &status) != 0) return false;  // missing, or open() will say why
    const bool last = parts_.empty();
    if (S_ISLNK(status.st_mode) && !last) return follow(next, status);
    if (!S_ISDIR(status.st_mode)) {
      fault(true, next + " is a symbolic link or no directory");
      return false;
    }
    at_ = next;
    look_at_directory(last);
    return true;
  }

  bool follow(const std::string& link, const struct stat& status) {
    if (++links_ > kMostLinks) {
      fault(true, "too many symbolic links on the way, at " + link);
      return false;
    }
    if (sticky_) look_at_owner("the symbolic link " + link, status);
    char target[PATH_MAX];
    const ssize_t size = ::readlink(link.c_str(), target, sizeof(target));
    if (size <= 0) return false;
    const std::string path(target, static_cast<std::size_t>(size));
    enqueue(path);
    if (path.front() == '/') at_.clear();
    return true;
  }

  void look_at_directory(bool last) {
    const std::string name = at_.empty() ? "/" : at_;
    struct stat status {};
    if (::stat(name.c_str(), &status) != 0) return;
    look_at_owner(name, status);
    sticky_ = (status.st_mode & S_ISVTX) != 0;
    if (sticky_ && !last) return;
    const char* what = last ? "; chmod 700 it" : ": another directory could take the spool's place";
    if ((status.st_mode & S_IWOTH) != 0) {
      fault(true, name + " can be written to by everyone" + what);
    } else if ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0 && status.st_gid != group_) {
      fault(user_ != 0,
            name + " can be written to by group " + std::to_string(status.st_gid) + what);
    }
  }

  void look_at_owner(const std::string& name, const struct stat& status) {
    if (status.st_uid == 0 || status.st_uid == user_) return;
    // The spool of a daemon that changes its user belongs to that user.
    if (user_ == 0 && parts_.empty()) return;
    fault(user_ != 0, name + " belongs to user " + std::to_string(status.st_uid) +
                          ", not to root or user " + std::to_string(user_));
  }

  void fault(bool error, std::string text) { faults_.push_back({error, std::move(text)}); }

  const uid_t user_;
  const gid_t group_;
  std::string at_;  // "" is the root directory
  std::deque<std::string> parts_;
  bool sticky_ = false;  // of the directory at_
  int links_ = 0;
  std::vector<PathFault> faults_;
};

}  // namespace

std::vector<PathFault> check_path(const std::string& path, uid_t user, gid_t group) {
  return Walk(user, group).run(path);
}

std::string without_final_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace lsmtpd::json_spool
