// SPDX-License-Identifier: Apache-2.0
#include "credential_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace lsmtpd::sink {

namespace {

constexpr std::string_view kCertificate = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kTrusted = "-----BEGIN TRUSTED CERTIFICATE-----";
constexpr std::string_view kKey = "PRIVATE KEY-----";

class Files {
 public:
  Files(sdk::Config config, sdk::Report report) : config_(config), report_(report) {}

  void password() {
    struct stat status {};
    if (readable("password_file", &status)) warn_if_public("password_file", status);
  }

  void authorities() {
    struct stat status {};
    if (!readable("tls_ca", &status) || S_ISDIR(status.st_mode)) return;
    const std::string text = content("tls_ca");
    if (text.find(kCertificate) == text.npos && text.find(kTrusted) == text.npos)
      report_.error("tls_ca", path("tls_ca") + " holds no certificate in PEM");
  }

  void certificate() {
    struct stat status {};
    if (readable("tls_certificate", &status) &&
        content("tls_certificate").find(kCertificate) == std::string::npos) {
      report_.error("tls_certificate", path("tls_certificate") + " holds no certificate in PEM");
    }
  }

  void key() {
    struct stat status {};
    if (!readable("tls_key", &status)) return;
    if (content("tls_key").find(kKey) == std::string::npos)
      report_.error("tls_key", path("tls_key") + " holds no private key in PEM");
    warn_if_public("tls_key", status);
  }

 private:
  std::string path(const char* option) const { return std::string(config_.string(option)); }

  // False where the option is not set too.
  bool readable(const char* option, struct stat* status) {
    const std::string file = path(option);
    if (file.empty()) return false;
    const bool found = ::stat(file.c_str(), status) == 0;
    const int mode = found && S_ISDIR(status->st_mode) ? R_OK | X_OK : R_OK;
    if (found && ::faccessat(AT_FDCWD, file.c_str(), mode, AT_EACCESS) == 0) {
      const bool directory = std::strcmp(option, "tls_ca") == 0 && S_ISDIR(status->st_mode);
      if (S_ISREG(status->st_mode) || directory) return true;
      errno = S_ISDIR(status->st_mode) ? EISDIR : EINVAL;
    }
    report_.error(option, "cannot read " + file + ": " + std::strerror(errno));
    return false;
  }

  std::string content(const char* option) const {
    std::ifstream file(path(option), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void warn_if_public(const char* option, const struct stat& status) {
    if ((status.st_mode & S_IROTH) == 0) return;
    report_.warning(option, path(option) + " can be read by every user of this machine: chmod 600");
  }

  sdk::Config config_;
  sdk::Report report_;
};

}  // namespace

void check_files(sdk::Config config, sdk::Report report) {
  Files(config, report).password();
  check_tls_files(config, report);
}

void check_tls_files(sdk::Config config, sdk::Report report) {
  Files files(config, report);
  files.authorities();
  files.certificate();
  files.key();
}

}  // namespace lsmtpd::sink
