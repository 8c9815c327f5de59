// SPDX-License-Identifier: Apache-2.0
#include "claim_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mail_json/sha256.hpp>
#include <utility>

#include "client_options.hpp"

namespace lsmtpd::sink {

namespace {

// Names that begin so are of files that are not whole, or of the probe.
constexpr std::string_view kUnfinished = ".unfinished-";
// The directory's group reads: the consumers.
constexpr mode_t kMode = 0640;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int operator*() const { return number_; }
  bool good() const { return number_ >= 0; }

 private:
  int number_;
};

int open_directory(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// A file that gets its name at the end, or goes.
class NewFile {
 public:
  explicit NewFile(int directory) : directory_(directory) {
    static std::atomic<unsigned> number{0};
    name_ = std::string(kUnfinished) + random_tag() + "-" + std::to_string(number++);
    file_ = ::openat(directory_, name_.c_str(),
                     O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, kMode);
  }
  ~NewFile() {
    if (file_ < 0) return;
    ::close(file_);
    if (!named_) ::unlinkat(directory_, name_.c_str(), 0);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // The umask must not take the group's right away.
  bool good() const { return file_ >= 0 && ::fchmod(file_, kMode) == 0; }
  int descriptor() const { return file_; }
  bool name(const std::string& name) {
    named_ = ::renameat(directory_, name_.c_str(), directory_, name.c_str()) == 0;
    return named_;
  }

 private:
  const int directory_;
  std::string name_;
  int file_ = -1;
  bool named_ = false;
};

// Of errno.
StoreResult failed(const char* step) {
  const int error = errno;
  StoreResult result;
  result.no_space = error == ENOSPC || error == EDQUOT;
  result.why = std::string(step) + ": " + std::strerror(error);
  return result;
}

std::int64_t age_of(const struct stat& status) {
  return static_cast<std::int64_t>(std::time(nullptr) - status.st_mtim.tv_sec);
}

}  // namespace

StoreResult ClaimDirectory::put(const std::string& key, ClaimBody& body,
                                const std::atomic<bool>& dropped) {
  const Descriptor directory(open_directory(path_));
  if (!directory.good()) return failed("open of the directory");
  NewFile file(*directory);
  if (!file.good()) return failed("new file");
  mail_json::Sha256 hash;
  for (std::string_view piece; !(piece = body.next()).empty();) {
    hash.add(piece);
    if (!write_all(file.descriptor(), piece)) return failed("write");
  }
  StoreResult result;
  if (body.failed()) result.why = "the content could not be read";
  // A later attempt may have stored the same key since.
  if (result.why.empty() && dropped) result.why = "not stored within the deadline";
  if (!result.why.empty()) return result;
  if (::fdatasync(file.descriptor()) != 0) return failed("fdatasync");
  if (dropped) {
    result.why = "not stored within the deadline";
    return result;
  }
  if (!file.name(key)) return failed("rename");
  if (::fsync(*directory) != 0) return failed("fsync of the directory");
  result.location = path_ + "/" + key;
  result.sha256 = hash.digits();
  if (result.sha256.empty()) result.why = "SHA-256 failed";
  return result;
}

std::string ClaimDirectory::remove(const std::string& key) {
  const Descriptor directory(open_directory(path_));
  if (!directory.good()) return failed("open of the directory").why;
  if (::unlinkat(*directory, key.c_str(), 0) != 0 && errno != ENOENT) return failed("unlink").why;
  return {};
}

std::string ClaimDirectory::probe() {
  const Descriptor directory(open_directory(path_));
  if (!directory.good()) return failed("open of the directory").why;
  NewFile file(*directory);  // which goes again
  if (!file.good()) return failed("new file").why;
  if (!write_all(file.descriptor(), "check")) return failed("write").why;
  if (::fdatasync(file.descriptor()) != 0) return failed("fdatasync").why;
  if (::fsync(*directory) != 0) return failed("fsync of the directory").why;
  return {};
}

std::string ClaimDirectory::list(const std::function<void(const StoredObject&)>& visit) {
  const int descriptor = open_directory(path_);
  if (descriptor < 0) return failed("open of the directory").why;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(descriptor), &::closedir);
  if (stream == nullptr) return failed("fdopendir").why;
  errno = 0;
  for (const dirent* entry = nullptr; (entry = ::readdir(stream.get())) != nullptr; errno = 0) {
    struct stat status {};
    if (::fstatat(descriptor, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(status.st_mode)) continue;
    visit({entry->d_name, static_cast<std::uint64_t>(status.st_size), age_of(status)});
  }
  return errno == 0 ? std::string() : failed("readdir").why;
}

}  // namespace lsmtpd::sink
