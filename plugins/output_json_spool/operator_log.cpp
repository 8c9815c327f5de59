// SPDX-License-Identifier: Apache-2.0
#include "operator_log.hpp"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mail_json/json_text.hpp>
#include <mail_json/timestamp.hpp>
#include <memory>

namespace lsmtpd::json_spool {
namespace {

constexpr const char* kName = ".operator-log";
constexpr const char* kTaken = ".operator-log.taken";  // the daemon reads it

std::string user_name() {
  const passwd* user = ::getpwuid(::getuid());
  std::string name = user != nullptr ? user->pw_name : "uid " + std::to_string(::getuid());
  // The user who became root, as sudo names them: it is written down, and nothing depends on it.
  const char* before = std::getenv("SUDO_USER");
  if (::getuid() == 0 && before != nullptr && *before != '\0')
    name += " (" + std::string(before).substr(0, 64) + ")";
  return name;
}

bool is_named(int directory, const char* name, int fd) {
  struct stat opened {};
  struct stat found {};
  return ::fstat(fd, &opened) == 0 &&
         ::fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         opened.st_ino == found.st_ino && opened.st_dev == found.st_dev;
}

std::string text_of(const cJSON* object, const char* key) {
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(object, key);
  return cJSON_IsString(item) ? item->valuestring : "";
}

}  // namespace

OperatorLog::OperatorLog(Files& files, int directory)
    : files_(files), directory_(directory), by_(user_name()) {}

void OperatorLog::add(std::string_view action, const CopyKey& key, std::string_view place) {
  mail_json::Text text;
  text.open('{');
  text.key("time").string(mail_json::format_timestamp(files_.now_ns()));
  text.key("action").string(action);
  text.key("id").string(key.id);
  text.key("state").string(name_of(key.state));
  if (!place.empty()) text.key("place").string(place);
  text.key("by").string(by_);
  text.close('}');
  lines_ += text.take();
  lines_ += '\n';
  if (lines_.size() >= kBatch) flush();
}

// The daemon renames the file under its lock: whoever waited for the lock looks for the name again.
// The directory's owner may be another user than this one, who must not be led to another file.
int OperatorLog::open_locked() {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  for (;;) {
    int fd = ::openat(directory_, kName, kFlags | O_CREAT | O_EXCL, 0600);
    if (fd >= 0) {
      files_.give_to_owner(fd, directory_);
    } else if (errno == EEXIST) {
      fd = ::openat(directory_, kName, kFlags);
      if (fd < 0 && errno == ENOENT) continue;
    }
    if (fd < 0) return -errno;
    struct stat status {};
    const bool ours = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink <= 1;
    if (ours && ::flock(fd, LOCK_EX) == 0 && is_named(directory_, kName, fd)) return fd;
    ::close(fd);
    if (!ours) return -EPERM;
  }
}

void OperatorLog::flush() {
  if (lines_.empty()) return;
  std::string lines = std::move(lines_);
  lines_.clear();
  const int fd = open_locked();
  if (fd < 0) {
    problem_ = "the daemon's log will not say so: " + error_text(fd);
    return;
  }
  const File file(files_, fd);
  for (std::string_view rest = lines; !rest.empty();) {
    const std::int64_t count = files_.write(fd, rest.data(), rest.size());
    if (count <= 0) {
      problem_ = "the daemon's log will not say so: " + error_text(count);
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

// A file that was taken already is from before a restart: its lines may come twice, none is lost.
bool OperatorLines::begin() {
  int fd = files_.open_existing(directory_, kTaken);
  if (fd == -ENOENT) {
    const File file(files_, files_.open_existing(directory_, kName));
    if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return false;
    if (files_.rename(directory_, kName, directory_, kTaken) < 0) return false;
    fd = files_.open_existing(directory_, kTaken);
  }
  if (fd < 0) return false;
  file_ = File(files_, fd);
  offset_ = 0;
  return true;
}

bool OperatorLines::take() {
  if (!file_ && !begin()) return false;
  std::string text(kStep, '\0');
  const std::int64_t size = files_.read_at(file_.get(), offset_, text.data(), text.size());
  text.resize(static_cast<std::size_t>(size < 0 ? 0 : size));
  const std::size_t end = text.rfind('\n');
  if (end == std::string::npos) {
    file_.close();
    files_.unlink(directory_, kTaken);
    return false;
  }
  offset_ += end + 1;
  for (std::string_view rest(text.data(), end + 1); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    const std::unique_ptr<cJSON, void (*)(cJSON*)> json(
        cJSON_ParseWithLength(line.data(), line.size()), cJSON_Delete);
    if (!cJSON_IsObject(json.get())) continue;
    const cJSON* object = json.get();
    write_({text_of(object, "action"), text_of(object, "id"), text_of(object, "state"),
            text_of(object, "place"), text_of(object, "by"), text_of(object, "time")});
  }
  return true;
}

}  // namespace lsmtpd::json_spool
