// SPDX-License-Identifier: Apache-2.0
#include "archive.hpp"

#include <cerrno>
#include <mail_json/json_text.hpp>
#include <mail_json/timestamp.hpp>

#include "file_names.hpp"

namespace lsmtpd::json_spool {
namespace {

// Errors that pass: not the file's fault.
bool passes(int error) {
  return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EACCES ||
         error == -EIO;
}

std::string reason_json(std::string_view reason, std::int64_t now_ns) {
  mail_json::Text text;
  text.open('{');
  text.key("time").string(mail_json::format_timestamp(now_ns));
  text.key("reason").string(reason);
  text.close('}');
  return text.take();
}

}  // namespace

Archive::Archive(Files& files, const Directory& directory, Capacity& capacity)
    : files_(files), directory_(directory), capacity_(capacity) {}

std::optional<Archive::Page> Archive::list(bool restart, std::uint32_t max) {
  if (restart) listing_ = files_.list(directory_.messages());
  if (!listing_) {
    if (restart) return std::nullopt;
    return Page{{}, true};
  }
  Page page;
  std::string name;
  while (page.ids.size() < max) {
    if (!listing_->next(name)) {
      page.end = true;
      listing_.reset();
      break;
    }
    if (auto id = id_of(name)) page.ids.push_back(std::move(*id));
  }
  return page;
}

Archive::Loaded Archive::load(const std::string& id, const Make& make) {
  problem_.clear();
  const Loaded loaded = read(id, make);
  if (loaded != Loaded::kBroken) return loaded;
  const std::string name = file_name(id);
  const std::uint64_t size = size_of(name);
  const int error =
      files_.rename(directory_.messages(), name.c_str(), directory_.quarantine(), name.c_str());
  if (error < 0) {
    problem_ += "; it cannot be put into quarantine: " + error_text(error);
  } else {
    capacity_.removed(size);
  }
  return loaded;
}

Archive::Loaded Archive::read(const std::string& id, const Make& make) {
  const std::string name = file_name(id);
  const int fd = files_.open_existing(directory_.messages(), name.c_str());
  if (fd == -ENOENT) return Loaded::kGone;
  if (fd < 0) {
    problem_ = "cannot open it: " + error_text(fd);
    return passes(fd) ? Loaded::kTempfail : Loaded::kBroken;
  }
  const File file(files_, fd);
  FileInfo info;
  if (const int error = files_.info(fd, info); error < 0) return unreadable(error);
  if (!info.regular) {
    problem_ = "it is no regular file";
    return Loaded::kBroken;
  }
  FileInput input(files_, fd);
  mail_json::Reader reader(input);
  const auto mail = reader.open();
  if (!mail) {
    problem_ = mail.error();
    return input.error() < 0 ? unreadable(input.error()) : Loaded::kBroken;
  }
  const Loaded loaded = make(*mail, [&](const mail_json::Reader::Sink& sink) {
    auto done = reader.content(sink);
    if (!done) problem_ = done.error();
    return done;
  });
  return loaded == Loaded::kBroken && input.error() < 0 ? unreadable(input.error()) : loaded;
}

// The disk's fault, or memory's, and not what was written: it may be readable later.
Archive::Loaded Archive::unreadable(std::int64_t error) {
  problem_ = "cannot read it: " + error_text(error);
  return Loaded::kTempfail;
}

std::uint64_t Archive::size_of(const std::string& name) {
  if (!capacity_.counts_bytes()) return 0;
  FileInfo info;
  return files_.info_in(directory_.messages(), name.c_str(), info) < 0 ? 0 : info.size;
}

int Archive::forget(const std::string& id) {
  const std::string name = file_name(id);
  const std::uint64_t size = size_of(name);
  const int error = files_.unlink(directory_.messages(), name.c_str());
  if (error >= 0) capacity_.removed(size);
  return error == -ENOENT ? 0 : error;
}

// The reason first: a dead letter without one would be a riddle.
int Archive::dead_letter(const std::string& id, std::string_view reason) {
  int error = write_reason(id, reason);
  if (error < 0) return error;
  const std::string name = file_name(id);
  const std::uint64_t size = size_of(name);
  error = files_.rename(directory_.messages(), name.c_str(), directory_.dead(), name.c_str());
  if (error == -ENOENT) {
    FileInfo buried;  // by a try before this one, which could not make that durable
    if (files_.info_in(directory_.dead(), name.c_str(), buried) < 0) {
      files_.unlink(directory_.dead(), reason_name(id).c_str());
      return 0;
    }
  } else if (error < 0) {
    return error;
  } else {
    capacity_.removed(size);
  }
  error = files_.make_names_durable(directory_.dead());
  return error < 0 ? error : files_.make_names_durable(directory_.messages());
}

int Archive::write_reason(const std::string& id, std::string_view reason) {
  const std::string name = reason_name(id);
  files_.unlink(directory_.temporary(), name.c_str());
  const int fd = files_.open_new(directory_.temporary(), name.c_str());
  if (fd < 0) return fd;
  const File file(files_, fd);
  int error = write_durably(fd, reason_json(reason, files_.now_ns()));
  if (error >= 0) {
    error = files_.rename(directory_.temporary(), name.c_str(), directory_.dead(), name.c_str());
  }
  if (error < 0) files_.unlink(directory_.temporary(), name.c_str());
  return error;
}

int Archive::write_durably(int fd, std::string_view text) {
  while (!text.empty()) {
    const std::int64_t count = files_.write(fd, text.data(), text.size());
    if (count <= 0) return count < 0 ? static_cast<int>(count) : -EIO;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return files_.sync_data(fd);
}

}  // namespace lsmtpd::json_spool
