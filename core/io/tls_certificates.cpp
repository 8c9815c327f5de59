// SPDX-License-Identifier: Apache-2.0
#include "io/tls_certificates.hpp"

#include <sys/stat.h>

#include <utility>

namespace lsmtpd::io {

std::string TlsCertificates::fingerprint(const TlsSettings& settings) {
  std::string all;
  const auto add = [&all](const std::string& path) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) {
      all += "absent;";
      return;
    }
    for (const auto number :
         {static_cast<int64_t>(status.st_dev), static_cast<int64_t>(status.st_ino),
          static_cast<int64_t>(status.st_size), static_cast<int64_t>(status.st_mtim.tv_sec),
          static_cast<int64_t>(status.st_mtim.tv_nsec), static_cast<int64_t>(status.st_ctim.tv_sec),
          static_cast<int64_t>(status.st_ctim.tv_nsec)}) {
      all += std::to_string(number) + ",";
    }
    all += ";";
  };
  for (const TlsFiles& files : settings.certificates) {
    add(files.certificate);
    add(files.key);
  }
  if (!settings.client_ca.empty()) add(settings.client_ca);
  return all;
}

Status TlsCertificates::load(const TlsSettings& settings) {
  // Before the files are read: what changes meanwhile is seen by the next look.
  std::string seen = fingerprint(settings);
  auto loaded = TlsContext::load(settings);
  if (!loaded) return tl::unexpected(loaded.error());
  settings_ = settings;
  seen_ = std::move(seen);
  const std::lock_guard lock(mutex_);
  current_.swap(*loaded);
  return {};
}

Result<bool> TlsCertificates::look() {
  std::string now = fingerprint(settings_);
  if (now == seen_) return false;
  seen_ = std::move(now);
  auto loaded = TlsContext::load(settings_);
  if (!loaded) return tl::unexpected(loaded.error());
  const std::lock_guard lock(mutex_);
  current_.swap(*loaded);
  return true;
}

std::shared_ptr<const TlsContext> TlsCertificates::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

}  // namespace lsmtpd::io
