// SPDX-License-Identifier: Apache-2.0
#include "directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "path_check.hpp"

namespace lsmtpd::json_spool {
namespace {

tl::unexpected<std::string> problem(const std::string& what, std::int64_t error) {
  return tl::unexpected<std::string>(what + ": " + error_text(error));
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Reads the pid that the holder of the lock wrote into it.
std::string holder(int fd) {
  char text[32];
  const ssize_t size = ::pread(fd, text, sizeof(text), 0);
  std::string pid(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  pid.erase(pid.find_last_not_of("\n ") + 1);
  const bool number = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
  return number ? "pid " + pid : "its pid is not known";
}

std::string in_use(const std::string& path, int lock_file) {
  return path + " is in use by another lsmtpd (" + holder(lock_file) +
         "); each needs a directory of its own";
}

}  // namespace

tl::expected<Directory, std::string> Directory::open_for_daemon(Files& files,
                                                                const std::string& path) {
  Directory directory;
  directory.path_ = without_final_slashes(path);
  Step step = directory.make(files);
  if (step) step = directory.lock_directory(files);
  if (step) step = directory.lock(files);
  if (step) step = directory.make_folders(files);
  if (step) step = directory.clear_temporaries(files);
  if (!step) return tl::make_unexpected(step.error());
  directory.probe(files);
  return directory;
}

tl::expected<Directory, std::string> Directory::open_for_reading(Files& files,
                                                                 const std::string& path) {
  Directory directory;
  directory.path_ = without_final_slashes(path);
  const int fd = files.open_directory(path);
  if (fd < 0) return problem("cannot open the spool directory " + path, fd);
  directory.messages_ = File(files, fd);
  // A missing folder is empty (LSMTPD's own directory has neither).
  directory.dead_ = File(files, files.open_directory_in(fd, "dead"));
  directory.quarantine_ = File(files, files.open_directory_in(fd, "quarantine"));
  return directory;
}

tl::expected<Directory, std::string> Directory::open_for_storing(Files& files,
                                                                 const std::string& path,
                                                                 int like) {
  Directory directory;
  directory.path_ = without_final_slashes(path);
  const int made = like < 0 ? 0 : files.make_directory(directory.path_);
  if (made < 0 && made != -EEXIST) return problem("cannot make the directory " + path, made);
  const int fd = files.open_directory(directory.path_);
  if (fd < 0) return problem("cannot open the directory " + path, fd);
  directory.messages_ = File(files, fd);
  if (like >= 0 && made >= 0) files.give_to_owner(fd, like);
  if (const Step step = directory.make_folders(files); !step)
    return tl::make_unexpected(step.error());
  return directory;
}

bool Directory::keep_others_out() const {
  return ::flock(messages_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

Directory::Step Directory::make(Files& files) {
  int fd = files.open_directory(path_);
  if (fd == -ENOENT) {
    const int made = files.make_directory(path_);
    if (made < 0 && made != -EEXIST) {
      return problem("cannot make the spool directory " + path_ + " (its parent must exist)", made);
    }
    fd = files.open_directory(path_);
  }
  if (fd == -ELOOP || fd == -ENOTDIR) {
    return tl::make_unexpected(path_ + " is a symbolic link or no directory");
  }
  if (fd < 0) return problem("cannot open the spool directory " + path_, fd);
  messages_ = File(files, fd);
  for (const PathFault& fault : check_path(path_, ::geteuid(), ::getegid())) {
    if (fault.error) return tl::make_unexpected(fault.text);
  }
  // Checks that the directory examined by path is the one that was opened.
  if (std::string moved = misplaced(files); !moved.empty()) return tl::make_unexpected(moved);
  // Synced at each start: the process that made it may have ended before the sync.
  const File parent(files, files.open_directory(parent_of(path_)));
  if (parent) {
    const int synced = files.make_names_durable(parent.get());
    if (synced < 0) return problem("cannot sync the directory above " + path_, synced);
  }
  return {};
}

// Not every file system can lock a directory (NFS cannot); there only the file is locked.
Directory::Step Directory::lock_directory(Files& files) {
  if (::flock(messages_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return {};
  const File file(files, ::openat(messages_.get(), ".lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return tl::make_unexpected(in_use(path_, file.get()));
}

Directory::Step Directory::lock(Files& files) {
  const int fd =
      ::openat(messages_.get(), ".lock", O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return problem("cannot open " + path_ + "/.lock", -errno);
  lock_ = File(files, fd);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return problem("cannot lock " + path_, -errno);
    return tl::make_unexpected(in_use(path_, fd));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  const bool written = ::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) > 0;
  // A failure is ignored: the lock holds, only the pid in the message of a second daemon is
  // missing.
  (void)written;
  return {};
}

Directory::Step Directory::make_folders(Files& files) {
  const auto open = [&](const char* name, File& file) -> Step {
    const int made = files.make_directory_in(messages_.get(), name);
    if (made < 0 && made != -EEXIST) return problem("cannot make " + path_ + "/" + name, made);
    const int fd = files.open_directory_in(messages_.get(), name);
    if (fd < 0) return problem("cannot open " + path_ + "/" + name, fd);
    file = File(files, fd);
    if (made >= 0) files.give_to_owner(fd, messages_.get());
    return {};
  };
  Step step = open("tmp", temporary_);
  if (step) step = open("dead", dead_);
  if (step) step = open("quarantine", quarantine_);
  if (!step) return step;
  const int synced = files.make_names_durable(messages_.get());
  if (synced < 0) return problem("cannot sync " + path_, synced);
  return {};
}

Directory::Step Directory::clear_temporaries(Files& files) {
  const std::unique_ptr<Listing> listing = files.list(temporary_.get());
  if (!listing) return tl::make_unexpected("cannot read " + path_ + "/tmp");
  std::string name;
  while (listing->next(name)) {
    const int error = files.unlink(temporary_.get(), name.c_str());
    if (error < 0 && error != -ENOENT)
      return problem("cannot remove " + path_ + "/tmp/" + name, error);
  }
  return {};
}

std::string Directory::misplaced(Files& files) const {
  const int error = files.leads_to(path_, messages_.get());
  if (error >= 0) return {};
  if (error == -ESTALE || error == -ENOENT || error == -ENOTDIR) {
    return "the directory " + path_ +
           " was renamed, removed or replaced; put it back, or restart to use what is there now";
  }
  return "cannot look at " + path_ + ": " + error_text(error);
}

// Not every file system has O_TMPFILE, and without /proc some kernels cannot link it.
void Directory::probe(Files& files) {
  const File file(files, files.open_unnamed(messages_.get()));
  if (!file || files.link_unnamed(file.get(), temporary_.get(), "probe") < 0) return;
  unnamed_files_ = files.unlink(temporary_.get(), "probe") == 0;
}

}  // namespace lsmtpd::json_spool
