// SPDX-License-Identifier: Apache-2.0
#include "archive.hpp"

#include <algorithm>
#include <cerrno>
#include <mail_json/json_text.hpp>
#include <mail_json/timestamp.hpp>

#include "file_names.hpp"

namespace lsmtpd::json_spool {
namespace {

// Temporary errors: the file itself is intact.
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

std::optional<Archive::Page> Archive::list(bool restart, std::uint32_t max, std::int64_t since_ns) {
  if (restart) {
    since_ns_ = since_ns;
    listed_.reset();
    window_.clear();
    window_has_all_ = false;
  }
  Page page;
  while (page.copies.size() < max) {
    if (window_.empty()) {
      page.end = window_has_all_;
      if (page.end) break;
      const bool first = !listed_ && page.copies.empty();
      std::uint64_t found = 0;
      if (!fill_window(found)) {
        window_has_all_ = true;  // until list() begins again
        return std::nullopt;
      }
      if (first) page.waiting = found;
      continue;
    }
    page.copies.push_back(std::move(window_.back()));
    window_.pop_back();
    listed_ = Place::of(page.copies.back());
  }
  page.end = page.end || (window_.empty() && window_has_all_);
  return page;
}

// Reads the whole directory for the next copies in order, as many as the window holds: memory is
// bounded for a spool of any size.
bool Archive::fill_window(std::uint64_t& found) {
  const auto listing = files_.list(directory_.messages());
  if (!listing) return false;
  const auto later = [](const Copy& a, const Copy& b) { return Place::of(a) < Place::of(b); };
  window_has_all_ = true;
  std::string name;
  while (listing->next(name)) {
    auto id = id_of(name);
    if (!id) continue;
    ++found;
    FileInfo info;  // on failure, loading the file reports the error
    const int error = files_.info_in(directory_.messages(), name.c_str(), info);
    if (error >= 0 && info.named_ns < since_ns_) continue;
    Copy copy{std::move(*id), info.changed_ns, info.size, info.marked};
    if (listed_ && !(*listed_ < Place::of(copy))) continue;
    window_.push_back(std::move(copy));
    std::push_heap(window_.begin(), window_.end(), later);
    if (window_.size() <= kWindow) continue;
    std::pop_heap(window_.begin(), window_.end(), later);
    window_.pop_back();
    window_has_all_ = false;
  }
  std::sort(window_.begin(), window_.end(),
            [](const Copy& a, const Copy& b) { return Place::of(b) < Place::of(a); });
  return true;
}

bool Archive::is_expired(const Copy& copy) const {
  const std::int64_t most_ms = capacity_.max_age_ms();
  return most_ms > 0 && (files_.now_ns() - copy.time_ns) / 1'000'000 > most_ms;
}

std::unique_ptr<Listing> Archive::all() const {
  return files_.list(directory_.messages());
}

bool Archive::count_next(Listing& listing, const std::string& target, const Counted& counted,
                         std::uint64_t& found) {
  std::string name;
  if (!listing.next(name)) return false;
  const auto id = id_of(name);
  if (!id || counted(*id)) return true;
  const int fd = files_.open_existing(directory_.messages(), name.c_str());
  if (fd == -ENOENT) return true;
  const File file(files_, fd);
  FileInput input(files_, fd);
  const auto mail = mail_json::Reader(input).open();
  // Files of LSMTPD's own name no target: they go wherever there is only one.
  const bool waits =
      !mail || mail->bookkeeping.target == target || mail->bookkeeping.target.empty();
  if (waits) ++found;
  return true;
}

Archive::Loaded Archive::load(const std::string& id, const Make& make) {
  problem_.clear();
  const Loaded loaded = read(id, make);
  if (loaded != Loaded::broken) return loaded;
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
  if (fd == -ENOENT) return Loaded::gone;
  if (fd < 0) {
    problem_ = "cannot open it: " + error_text(fd);
    return passes(fd) ? Loaded::tempfail : Loaded::broken;
  }
  const File file(files_, fd);
  FileInfo info;
  if (const int error = files_.info(fd, info); error < 0) return unreadable(error);
  if (!info.regular) {
    problem_ = "it is no regular file";
    return Loaded::broken;
  }
  FileInput input(files_, fd);
  mail_json::Reader reader(input);
  const auto mail = reader.open();
  if (!mail) {
    problem_ = mail.error();
    return input.error() < 0 ? unreadable(input.error()) : Loaded::broken;
  }
  const Loaded loaded = make(*mail, [&](const mail_json::Reader::Sink& sink) {
    auto done = reader.content(sink);
    if (!done) problem_ = done.error();
    return done;
  });
  return loaded == Loaded::broken && input.error() < 0 ? unreadable(input.error()) : loaded;
}

// A failure of the disk or of memory, not of the file's text: it may be readable later.
Archive::Loaded Archive::unreadable(std::int64_t error) {
  problem_ = "cannot read it: " + error_text(error);
  return Loaded::tempfail;
}

std::uint64_t Archive::size_of(const std::string& name) {
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

// The reason is written first: a dead letter is useless without one.
int Archive::dead_letter(const std::string& id, std::string_view reason) {
  int error = write_reason(id, reason);
  if (error < 0) return error;
  const std::string name = file_name(id);
  const std::uint64_t size = size_of(name);
  error = files_.rename(directory_.messages(), name.c_str(), directory_.dead(), name.c_str());
  if (error == -ENOENT) {
    FileInfo dead_letter;  // by an earlier try, which could not make it durable
    if (files_.info_in(directory_.dead(), name.c_str(), dead_letter) < 0) {
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
