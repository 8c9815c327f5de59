// SPDX-License-Identifier: Apache-2.0
#include "secrets.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <secret_files/secret_files.hpp>
#include <sink/password_file.hpp>

namespace lsmtpd::output_http {

namespace {

constexpr std::uint64_t kLookEachMs = 1000;

const char* option_of(bool is_token) {
  return is_token ? "token_file" : "signing_key_files";
}

}  // namespace

// True: it is not as it was when it was looked at last.
bool Secrets::changed(File* file) {
  struct stat status {};
  if (::stat(file->path.c_str(), &status) != 0) status = {};
  const std::int64_t changed_ns =
      static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (file->inode == status.st_ino && file->size == status.st_size &&
      file->changed_ns == changed_ns)
    return false;
  file->inode = status.st_ino;
  file->size = status.st_size;
  file->changed_ns = changed_ns;
  return true;
}

// Returns what is wrong with it; then the old content stays.
std::string Secrets::read(File* file) {
  auto text = sink::read_password_file(file->path);
  if (!text) return text.error();
  if (!file->is_token) {
    auto keys = parse_keys(*text);
    if (!keys) return file->path + " " + keys.error();
    file->keys = *std::move(keys);
    return {};
  }
  const std::string token = text->substr(0, text->find_first_of("\r\n"));
  const bool good = !token.empty() && std::all_of(token.begin(), token.end(),
                                                  [](char c) { return c > 0x20 && c < 0x7f; });
  if (!good) return "the first line of " + file->path + " is no token";
  file->token = token;
  return {};
}

bool Secrets::load(const std::string& token_file, const std::vector<std::string>& key_files,
                   sdk::Report report) {
  const std::lock_guard lock(mutex_);
  files_.clear();
  if (!token_file.empty()) files_.push_back({token_file, true, {}, {}, 0, 0, 0});
  for (const std::string& path : key_files) files_.push_back({path, false, {}, {}, 0, 0, 0});
  bool good = true;
  for (File& file : files_) {
    (void)changed(&file);
    const std::string wrong = read(&file);
    if (!wrong.empty()) {
      report.error(option_of(file.is_token), wrong);
      good = false;
    }
    secret_files::warn_if_public(report, option_of(file.is_token), file.path);
  }
  gather();
  return good;
}

void Secrets::gather() {
  auto all = std::make_shared<Current>();
  for (const File& file : files_) {
    if (file.is_token) all->token = file.token;
    all->keys.insert(all->keys.end(), file.keys.begin(), file.keys.end());
  }
  current_ = std::move(all);
}

std::shared_ptr<const Secrets::Current> Secrets::current(const sdk::LaneHost& host) {
  const std::uint64_t now = host.now_ms();
  const std::lock_guard lock(mutex_);
  if (files_.empty() || (looked_ms_ != 0 && now < looked_ms_ + kLookEachMs)) return current_;
  looked_ms_ = std::max<std::uint64_t>(now, 1);
  bool fresh = false;
  for (File& file : files_) {
    if (!changed(&file)) continue;
    const std::string wrong = read(&file);
    if (wrong.empty()) {
      fresh = true;
      host.info("a secret was read again", {{"file", file.path}});
    } else {
      host.warn("a secret cannot be read again; the one read before is used", {{"why", wrong}});
    }
  }
  if (fresh) gather();
  return current_;
}

}  // namespace lsmtpd::output_http
